package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"jeos/internal/config"
)

// locateHosts finds the addresses of the hosts that are not pinned yet, or with upgrade of all. What cannot be found is
// reported; the error then says no more than that.
func (p *program) locateHosts(ctx context.Context, hosts []config.HostRequest, upgrade bool) ([]config.LockedEndpoint, error) {
	var (
		found []config.LockedEndpoint
		err   error
	)
	for _, r := range hosts {
		if r.Locked != nil && !upgrade {
			continue
		}
		addresses, problem := p.locateHost(ctx, r.Host)
		switch {
		case ctx.Err() != nil:
			return found, context.Cause(ctx)
		case problem != nil:
			p.report(failed("Host not found", fmt.Errorf("%s, to which the role of guest.%s goes: %w", r.Host, r.Guest, problem)))
			err = errSilent
		default:
			found = append(found, config.LockedEndpoint{Host: r.Host, Addresses: addresses})
		}
	}
	return found, err
}

// locateHost returns the addresses of a host, sorted. A tunnel must be able to go to each.
func (p *program) locateHost(ctx context.Context, host string) ([]netip.Addr, error) {
	answer, err := p.sys.Resolve(ctx, host)
	if notFound := (*net.DNSError)(nil); errors.As(err, &notFound) && notFound.IsNotFound {
		return nil, errors.New("DNS knows no host of that name. Correct it in the files, or in the profile that the files name")
	}
	if err != nil {
		return nil, fmt.Errorf("DNS gives no answer: %w. Try again once this machine is online", err)
	}
	var addresses []netip.Addr
	for _, addr := range answer {
		addr = addr.Unmap()
		if problem := config.CheckEndpoint(addr); problem != "" {
			return nil, fmt.Errorf("DNS gives an address that no tunnel can go to: %s. Some resolver or filter on the way answers in place of the"+
				" host's own; ask another one", problem)
		}
		addresses = append(addresses, addr)
	}
	if len(addresses) == 0 {
		return nil, errors.New("DNS knows the name and no address for it. Correct it in the files, or in the profile that the files name")
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses), nil
}

// hostOutcome says in a line what has become of a host; "" for one that was not found.
func hostOutcome(r config.HostRequest, found []config.LockedEndpoint) string {
	i := slices.IndexFunc(found, func(e config.LockedEndpoint) bool { return e.Host == r.Host })
	switch {
	case i < 0 && r.Locked != nil:
		return "stays at " + addressesText(r.Locked.Addresses)
	case i < 0:
		return ""
	case r.Locked == nil:
		return "locked at " + addressesText(found[i].Addresses)
	case slices.Equal(r.Locked.Addresses, found[i].Addresses):
		return "is still at " + addressesText(found[i].Addresses)
	}
	return "changed from " + addressesText(r.Locked.Addresses) + " to " + addressesText(found[i].Addresses)
}

func addressesText(addresses []netip.Addr) string {
	texts := make([]string, len(addresses))
	for i, addr := range addresses {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ", ")
}

package virt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// Inventory implements plan.Reader. The states come from a handful of filtered lists and not from calls for each
// object, and the definitions are read side by side.
func (h *Hypervisor) Inventory(ctx context.Context, pool string, wanted func(name string) bool) (*plan.Inventory, error) {
	c, err := h.connection(ctx)
	if err != nil {
		return nil, err
	}
	inv := &plan.Inventory{URI: h.uri}
	parts := []func() error{
		func() (err error) { inv.Domains, err = readDomains(ctx, c, h.definitionFlags()); return },
		func() (err error) { inv.Networks, err = readNetworks(ctx, c); return },
		func() (err error) { inv.Filters, err = readFilters(ctx, c, wanted); return },
		func() (err error) { inv.Bindings, err = readBindings(ctx, c); return },
		func() error { return readPool(ctx, c, pool, wanted, inv) },
	}
	if err := parallel(len(parts), func(i int) error { return parts[i]() }); err != nil {
		return nil, fmt.Errorf("reading the host: %w", err)
	}
	return inv, nil
}

// definitionFlags say how to read what will be edited and defined again: with the passwords that somebody may have put
// into it, as libvirt would drop them from it otherwise. A read-only connection does not get them, and edits nothing.
func (h *Hypervisor) definitionFlags() libvirt.DomainXMLFlags {
	if h.opt.ReadOnly {
		return libvirt.DomainXMLInactive
	}
	return libvirt.DomainXMLInactive | libvirt.DomainXMLSecure
}

// gone returns nil when err says that the object vanished between listing and reading.
func gone(err error) error {
	if errors.Is(err, plan.ErrNotFound) {
		return nil
	}
	return err
}

type uuids map[libvirt.UUID]bool

func readDomains(ctx context.Context, c *conn, definition libvirt.DomainXMLFlags) ([]plan.HostDomain, error) {
	all, sets, err := listDomains(ctx, c)
	if err != nil {
		return nil, err
	}
	paused, transient, autostart, saved, other := sets[0], sets[1], sets[2], sets[3], sets[4]
	domains := make([]plan.HostDomain, len(all))
	err = parallel(len(all), func(i int) error {
		id := all[i].UUID
		d := plan.HostDomain{
			Name:        all[i].Name,
			UUID:        uuidString(id),
			Autostart:   autostart[id],
			Persistent:  !transient[id],
			ManagedSave: saved[id],
		}
		active := all[i].ID >= 0
		state := libvirt.DomainRunning
		switch {
		case !active:
			state = libvirt.DomainShutoff
		case paused[id]:
			state = libvirt.DomainPaused
		case other[id]:
			if state, err := domainState(ctx, c, all[i]); err != nil {
				return gone(err)
			} else if state == libvirt.DomainCrashed {
				active = false
			}
		}
		d.State = powerState(state)
		if !active {
			d.State = plan.Off
		}
		text, err := domainXML(ctx, c, all[i], definition)
		if err != nil {
			return gone(err)
		}
		d.XML = text
		if active {
			if d.LiveXML, err = domainXML(ctx, c, all[i], 0); err != nil {
				return gone(err)
			}
		}
		domains[i] = d
		return nil
	})
	domains = slices.DeleteFunc(domains, func(d plan.HostDomain) bool { return d.XML == "" || d.State != plan.Off && d.LiveXML == "" })
	slices.SortFunc(domains, func(a, b plan.HostDomain) int { return strings.Compare(a.Name, b.Name) })
	return domains, err
}

// listDomains returns every domain, and which of them are paused, transient, started with the host, saved, or in a
// state without a list of its own.
func listDomains(ctx context.Context, c *conn) ([]libvirt.Domain, [5]uuids, error) {
	filters := []libvirt.ConnectListAllDomainsFlags{
		0,
		libvirt.ConnectListDomainsPaused,
		libvirt.ConnectListDomainsTransient,
		libvirt.ConnectListDomainsAutostart,
		libvirt.ConnectListDomainsManagedsave,
		libvirt.ConnectListDomainsOther,
	}
	lists := make([][]libvirt.Domain, len(filters))
	err := parallel(len(filters), func(i int) (err error) {
		lists[i], err = call(ctx, c, quick, "virConnectListAllDomains", func(lv *libvirt.Libvirt) ([]libvirt.Domain, error) {
			list, _, err := lv.ConnectListAllDomains(1, filters[i])
			return list, err
		})
		return err
	})
	var sets [5]uuids
	for i, list := range lists[1:] {
		sets[i] = uuids{}
		for _, d := range list {
			sets[i][d.UUID] = true
		}
	}
	return lists[0], sets, err
}

func domainXML(ctx context.Context, c *conn, d libvirt.Domain, flags libvirt.DomainXMLFlags) (string, error) {
	return call(ctx, c, quick, "virDomainGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
		return lv.DomainGetXMLDesc(d, flags)
	})
}

// domainState asks for the state of one domain.
func domainState(ctx context.Context, c *conn, d libvirt.Domain) (libvirt.DomainState, error) {
	return call(ctx, c, quick, "virDomainGetState", func(lv *libvirt.Libvirt) (libvirt.DomainState, error) {
		state, _, err := lv.DomainGetState(d, 0)
		return libvirt.DomainState(state), err
	})
}

// powerState reduces libvirt's states to those that matter here.
func powerState(s libvirt.DomainState) plan.State {
	switch s {
	case libvirt.DomainShutoff, libvirt.DomainCrashed, libvirt.DomainNostate:
		return plan.Off
	case libvirt.DomainPaused:
		return plan.Paused
	}
	return plan.Running
}

func readNetworks(ctx context.Context, c *conn) ([]plan.HostNetwork, error) {
	filters := []libvirt.ConnectListAllNetworksFlags{
		0, libvirt.ConnectListNetworksActive, libvirt.ConnectListNetworksTransient, libvirt.ConnectListNetworksAutostart,
	}
	lists := make([][]libvirt.Network, len(filters))
	sets := make([]uuids, len(filters))
	err := parallel(len(filters), func(i int) (err error) {
		sets[i] = uuids{}
		lists[i], err = call(ctx, c, quick, "virConnectListAllNetworks", func(lv *libvirt.Libvirt) ([]libvirt.Network, error) {
			list, _, err := lv.ConnectListAllNetworks(1, filters[i])
			return list, err
		})
		for _, n := range lists[i] {
			sets[i][n.UUID] = true
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all, active, transient, autostart := lists[0], sets[1], sets[2], sets[3]
	networks := make([]plan.HostNetwork, len(all))
	err = parallel(len(all), func(i int) error {
		id := all[i].UUID
		n := plan.HostNetwork{
			Name:       all[i].Name,
			UUID:       uuidString(id),
			Active:     active[id],
			Autostart:  autostart[id],
			Persistent: !transient[id],
		}
		text, err := networkXML(ctx, c, all[i], libvirt.NetworkXMLInactive)
		if err != nil {
			return gone(err)
		}
		n.XML = text
		if n.Active {
			if n.LiveXML, err = networkXML(ctx, c, all[i], 0); err != nil {
				return gone(err)
			}
		}
		networks[i] = n
		return nil
	})
	networks = slices.DeleteFunc(networks, func(n plan.HostNetwork) bool { return n.XML == "" || n.Active && n.LiveXML == "" })
	slices.SortFunc(networks, func(a, b plan.HostNetwork) int { return strings.Compare(a.Name, b.Name) })
	return networks, err
}

// networkXML reads a network's definition. Libvirt's test driver has one only, and refuses to be asked for the inactive.
func networkXML(ctx context.Context, c *conn, n libvirt.Network, flags libvirt.NetworkXMLFlags) (string, error) {
	text, err := call(ctx, c, quick, "virNetworkGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
		return lv.NetworkGetXMLDesc(n, uint32(flags))
	})
	if e := answer(err); e != nil && e.Code == libvirt.ErrInvalidArg && flags != 0 {
		return networkXML(ctx, c, n, 0)
	}
	return text, err
}

// uuidString writes a UUID in its usual form.
func uuidString(u libvirt.UUID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

package virt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// readFilters returns all filters, with the XML of those whose names are wanted. A daemon without the driver has none.
func readFilters(ctx context.Context, c *conn, wanted func(name string) bool) ([]plan.HostFilter, error) {
	list, err := call(ctx, c, quick, "virConnectListAllNWFilters", func(lv *libvirt.Libvirt) ([]libvirt.Nwfilter, error) {
		list, _, err := lv.ConnectListAllNwfilters(1, 0)
		return list, err
	})
	if err != nil {
		return nil, withoutDriver(err)
	}
	filters := make([]plan.HostFilter, len(list))
	err = parallel(len(list), func(i int) error {
		filters[i] = plan.HostFilter{Name: list[i].Name, UUID: uuidString(list[i].UUID)}
		if !wanted(list[i].Name) {
			return nil
		}
		text, err := call(ctx, c, quick, "virNWFilterGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
			return lv.NwfilterGetXMLDesc(list[i], 0)
		})
		if errors.Is(err, plan.ErrNotFound) {
			filters[i] = plan.HostFilter{}
			return nil
		}
		filters[i].XML = text
		return err
	})
	filters = slices.DeleteFunc(filters, func(f plan.HostFilter) bool { return f.Name == "" })
	slices.SortFunc(filters, func(a, b plan.HostFilter) int { return strings.Compare(a.Name, b.Name) })
	return filters, err
}

// readBindings returns where filters are at work.
func readBindings(ctx context.Context, c *conn) ([]plan.HostBinding, error) {
	list, err := call(ctx, c, quick, "virConnectListAllNWFilterBindings", func(lv *libvirt.Libvirt) ([]libvirt.NwfilterBinding, error) {
		list, _, err := lv.ConnectListAllNwfilterBindings(1, 0)
		return list, err
	})
	if err != nil {
		return nil, withoutDriver(err)
	}
	bindings := make([]plan.HostBinding, len(list))
	for i, b := range list {
		bindings[i] = plan.HostBinding{Port: b.Portdev, Filter: b.Filtername}
	}
	slices.SortFunc(bindings, func(a, b plan.HostBinding) int { return strings.Compare(a.Port, b.Port) })
	return bindings, nil
}

// withoutDriver returns nil when err says that the daemon has no driver for filters, as one for a single user's session.
func withoutDriver(err error) error {
	if e := answer(err); e != nil && e.Code == libvirt.ErrNoSupport {
		return nil
	}
	return err
}

// undefineFilter finds the filter by UUID: a foreign one of the same name is not it.
func undefineFilter(ctx context.Context, c *conn, s plan.Step) error {
	id, err := parseUUID(s.UUID)
	if err != nil {
		return err
	}
	f, err := call(ctx, c, quick, "virNWFilterLookupByUUID", func(lv *libvirt.Libvirt) (libvirt.Nwfilter, error) {
		return lv.NwfilterLookupByUUID(id)
	})
	if err != nil {
		return gone(err)
	}
	return gone(c.do(ctx, slow, "virNWFilterUndefine", func(lv *libvirt.Libvirt) error { return lv.NwfilterUndefine(f) }))
}

// card is what matters here of a network card of a running domain.
type card struct {
	MAC struct {
		Address string `xml:"address,attr"`
	} `xml:"mac"`
	Target struct {
		Dev string `xml:"dev,attr"`
	} `xml:"target"`
	Filter *filterRef `xml:"filterref"`
}

// filterRef names a filter.
type filterRef struct {
	Name       string `xml:"filter,attr"`
	Parameters string `xml:",innerxml"`
}

// updateDevice changes a device of a running domain, and then sees to it that its filter is at work: libvirt compares the
// device with what it had, and does not notice that somebody took the filter away from under it.
func updateDevice(ctx context.Context, c *conn, s plan.Step) error {
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return gone(err)
	}
	err = c.do(ctx, slow, "virDomainUpdateDeviceFlags", func(lv *libvirt.Libvirt) error {
		return lv.DomainUpdateDeviceFlags(d, s.XML, libvirt.DomainDeviceModifyLive)
	})
	if err != nil {
		if state, again := domainState(ctx, c, d); again == nil && powerState(state) == plan.Off {
			return nil
		}
		return err
	}
	var wanted card
	if err := xml.Unmarshal([]byte(s.XML), &wanted); err != nil || wanted.Filter == nil {
		return err
	}
	return bindFilters(ctx, c, d, func(live card) bool { return strings.EqualFold(live.MAC.Address, wanted.MAC.Address) })
}

// bindFilters puts to work the filters of those cards of a running domain whose filter is not, and fails if that does not go.
func bindFilters(ctx context.Context, c *conn, d libvirt.Domain, which func(card) bool) error {
	text, err := domainXML(ctx, c, d, 0)
	if err != nil {
		return gone(err)
	}
	var live struct {
		Cards []card `xml:"devices>interface"`
	}
	if err := xml.Unmarshal([]byte(text), &live); err != nil {
		return fmt.Errorf("virDomainGetXMLDesc: %w", err)
	}
	live.Cards = slices.DeleteFunc(live.Cards, func(n card) bool { return n.Filter == nil || n.Target.Dev == "" || !which(n) })
	if len(live.Cards) == 0 {
		return nil
	}
	bindings, err := readBindings(ctx, c)
	if err != nil {
		return err
	}
	for _, n := range live.Cards {
		at := slices.IndexFunc(bindings, func(b plan.HostBinding) bool { return b.Port == n.Target.Dev })
		if at >= 0 && bindings[at].Filter == n.Filter.Name {
			continue
		}
		if at >= 0 { // somebody put another one there
			err := c.do(ctx, slow, "virNWFilterBindingDelete", func(lv *libvirt.Libvirt) error {
				return lv.NwfilterBindingDelete(libvirt.NwfilterBinding{Portdev: n.Target.Dev, Filtername: bindings[at].Filter})
			})
			if gone(err) != nil {
				return err
			}
		}
		if err := bind(ctx, c, d, n); err != nil {
			return err
		}
	}
	return nil
}

// binding says that a filter is to be at work at a port (https://libvirt.org/formatnwfilterbinding.html).
type binding struct {
	XMLName xml.Name `xml:"filterbinding"`
	Owner   struct {
		Name string `xml:"name"`
		UUID string `xml:"uuid"`
	} `xml:"owner"`
	Port struct {
		Name string `xml:"name,attr"`
	} `xml:"portdev"`
	MAC struct {
		Address string `xml:"address,attr"`
	} `xml:"mac"`
	Filter filterRef `xml:"filterref"`
}

// bind puts the filter of a card to work, as libvirt does when it starts a domain.
func bind(ctx context.Context, c *conn, d libvirt.Domain, n card) error {
	b := binding{MAC: n.MAC, Filter: *n.Filter}
	b.Owner.Name, b.Owner.UUID, b.Port.Name = d.Name, uuidString(d.UUID), n.Target.Dev
	text, err := xml.Marshal(b)
	if err != nil {
		return err
	}
	return c.do(ctx, slow, "virNWFilterBindingCreateXML", func(lv *libvirt.Libvirt) error {
		_, err := lv.NwfilterBindingCreateXML(string(text), 0)
		return err
	})
}

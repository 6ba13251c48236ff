package fakevirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"jeos/plan"
)

// readFilters returns the part of an inventory that tells of filters.
func (h *Host) readFilters(wanted func(string) bool) (filters []plan.HostFilter, bindings []plan.HostBinding) {
	for _, f := range h.filters {
		filter := plan.HostFilter{Name: f.name, UUID: f.uuid}
		if wanted(f.name) {
			filter.XML = f.xml
		}
		filters = append(filters, filter)
	}
	slices.SortFunc(filters, func(a, b plan.HostFilter) int { return cmp.Compare(a.Name, b.Name) })
	for _, port := range slices.Sorted(maps.Keys(h.bindings)) {
		bindings = append(bindings, plan.HostBinding{Port: port, Filter: h.bindings[port]})
	}
	return filters, bindings
}

func (h *Host) doFilter(s plan.Step) error {
	if s.Verb == plan.UndefineFilter {
		if f := h.filters[s.UUID]; f != nil && slices.Contains(slices.Collect(maps.Values(h.bindings)), f.name) {
			return errors.New("nwfilter is in use")
		}
		delete(h.filters, s.UUID)
		return nil
	}
	match := filterName.FindStringSubmatch(s.XML)
	id, err := identify(s.XML)
	if err != nil || match == nil {
		return fmt.Errorf("XML error: %w", cmp.Or(err, errors.New("a filter without a name")))
	}
	for _, f := range h.filters {
		if (f.name == match[1]) != (f.uuid == id.UUID) {
			return fmt.Errorf("filter '%s' already exists with uuid %s", f.name, f.uuid)
		}
	}
	h.filters[id.UUID] = &filter{match[1], id.UUID, s.XML}
	return nil
}

var (
	filterName = regexp.MustCompile(`<filter name=["']([^"']+)["']`)
	oneCard    = regexp.MustCompile(`(?s)<interface .*?</interface>`)
	cardMAC    = regexp.MustCompile(`<mac address=["']([^"']+)["']`)
	cardPort   = regexp.MustCompile(`<target dev=["']([^"']+)["']/>`)
	cardFilter = regexp.MustCompile(`<filterref filter=["']([^"']+)["']`)
)

// named returns what the expression finds in text, or "".
func named(find *regexp.Regexp, text string) string {
	if match := find.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

// plugIn gives each network card of a domain that starts a port, and puts its filter to work there.
func (h *Host) plugIn(definition string) string {
	return oneCard.ReplaceAllStringFunc(definition, func(card string) string {
		port := fmt.Sprintf("vnet%d", h.ports)
		h.ports++
		if filter := named(cardFilter, card); filter != "" {
			h.bindings[port] = filter
		}
		card = cardPort.ReplaceAllString(card, "") // of a card whose domain was saved
		return strings.TrimSuffix(card, "</interface>") + `<target dev="` + port + `"/></interface>`
	})
}

// unplug takes the filters off the cards of a domain.
func (h *Host) unplug(live string) {
	for _, card := range oneCard.FindAllString(live, -1) {
		delete(h.bindings, named(cardPort, card))
	}
}

// updateDevice goes in the two calls of a real one: change the device, and see to it that its filter is at work.
func (c *Conn) updateDevice(ctx context.Context, s plan.Step) error {
	err := c.call(ctx, func(h *Host) error { return h.updateDevice(s) })
	if err != nil {
		return err
	}
	return c.call(ctx, func(h *Host) error {
		if d := h.domains[s.UUID]; d != nil && d.state != plan.Off {
			h.bind(s.XML)
		}
		return nil
	})
}

// updateDevice puts a network card in the place of the one with the same MAC address. Like libvirt it does not look whether
// the filter is at work.
func (h *Host) updateDevice(s plan.Step) error {
	d, device := h.domains[s.UUID], s.XML
	if d == nil || d.state == plan.Off {
		return nil
	}
	if filter := named(cardFilter, device); filter != "" && h.filterNamed(filter) == nil {
		return fmt.Errorf("referenced filter '%s' is missing", filter)
	}
	found := false
	d.live = oneCard.ReplaceAllStringFunc(d.live, func(card string) string {
		if named(cardMAC, card) != named(cardMAC, device) {
			return card
		}
		found = true
		port := named(cardPort, card)
		if filter := named(cardFilter, device); filter != named(cardFilter, card) {
			delete(h.bindings, port)
			if filter != "" {
				h.bindings[port] = filter
			}
		}
		return device
	})
	if !found {
		return errors.New("no device matches")
	}
	return nil
}

// bind puts the filter of a card to work if it is not.
func (h *Host) bind(device string) {
	if filter, port := named(cardFilter, device), named(cardPort, device); filter != "" && port != "" {
		h.bindings[port] = filter
	}
}

func (h *Host) filterNamed(name string) *filter {
	for _, f := range h.filters {
		if f.name == name {
			return f
		}
	}
	return nil
}

// Unbind takes the filters off all cards of the domain of that name, as virsh nwfilter-binding-delete does.
func (h *Host) Unbind(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.domainNamed(name); d != nil {
		h.unplug(d.live)
	}
}

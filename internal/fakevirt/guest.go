package fakevirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"jeos/plan"
)

func (h *Host) doGuest(s plan.Step) error {
	if s.Verb == plan.DefineGuest {
		return h.defineGuest(s)
	}
	d := h.domains[s.UUID]
	if d == nil {
		if s.Verb == plan.StopGuest || s.Verb == plan.UndefineGuest || s.Verb == plan.DetachDevice {
			return nil
		}
		return fmt.Errorf("domain %q: %w", s.Host, plan.ErrNotFound)
	}
	switch s.Verb {
	case plan.RenameGuest:
		if d.state != plan.Off {
			return errors.New("cannot rename a running domain")
		}
		d.xml = strings.Replace(d.xml, "<name>"+d.name+"</name>", "<name>"+s.Host+"</name>", 1)
		d.name = s.Host
	case plan.ForgetGuest:
		d.saved = ""
	case plan.AutostartGuest:
		d.autostart = s.On
	case plan.StopGuest:
		if d.state != plan.Off && !s.On && (h.deaf[d.name] || !strings.Contains(d.xml, "<disk")) { // without a disk there is no system in it
			return fmt.Errorf("the guest still runs %v after it was asked to shut down", s.Timeout)
		}
		h.unplug(d.live)
		d.state, d.live = plan.Off, ""
		if !d.persistent {
			delete(h.domains, s.UUID)
		}
	case plan.DetachDevice:
		d.live, _ = withoutDevice(d.live, s.XML)
	case plan.UndefineGuest:
		if d.state != plan.Off {
			return errors.New("the domain is still running")
		}
		delete(h.domains, s.UUID)
	default:
		return fmt.Errorf("unknown verb %q", s.Verb)
	}
	return nil
}

func (h *Host) defineGuest(s plan.Step) error {
	id, err := identify(s.XML)
	if err != nil {
		return err
	}
	if other := h.domainNamed(id.Name); other != nil && other.uuid != id.UUID {
		return fmt.Errorf("domain %q already exists with uuid %s", id.Name, other.uuid)
	}
	d := h.domains[id.UUID]
	if d == nil {
		d = &domain{uuid: id.UUID}
		h.domains[id.UUID] = d
	}
	if d.name != "" && d.name != id.Name {
		return fmt.Errorf("domain %q is already defined with uuid %s", d.name, id.UUID)
	}
	d.name, d.xml, d.persistent = id.Name, s.XML, true
	return nil
}

func (h *Host) startPaused(name string) error {
	d := h.domainNamed(name)
	if d == nil {
		return fmt.Errorf("domain %q: %w", name, plan.ErrNotFound)
	}
	if d.state == plan.Off {
		if err := h.canStart(d); err != nil {
			return err
		}
		h.boot(d)
		d.state, d.live = plan.Paused, h.plugIn(cmp.Or(d.saved, d.xml))
		d.saved = ""
	}
	return nil
}

// boot has a guest write a line to each of its disks.
func (h *Host) boot(d *domain) {
	for _, p := range h.pools {
		for _, name := range p.volumesIn(d.xml) {
			if v := p.volumes[name]; path.Ext(name) == ".qcow2" {
				v.content = append(v.content, "booted\n"...)
			}
		}
	}
}

// networkSource finds the networks in the definition of a domain (https://libvirt.org/formatdomain.html#virtual-network).
var networkSource = regexp.MustCompile(`<source network=["']([^"']+)["']`)

// hostAddress finds the addresses of PCI devices of the host in the definition of a domain.
var hostAddress = regexp.MustCompile(`<source>\s*<address domain="[^>]*>`)

// canStart refuses what libvirt and QEMU would: a disk whose volume, or one below it, is missing or incomplete, a network
// that is not active, a filter that is missing, and a device that another domain has.
func (h *Host) canStart(d *domain) error {
	for _, match := range networkSource.FindAllStringSubmatch(d.xml, -1) {
		if n := h.networkNamed(match[1]); n == nil || !n.active {
			return fmt.Errorf("network '%s' is not active", match[1])
		}
	}
	for _, device := range hostAddress.FindAllString(d.xml, -1) {
		for _, other := range h.domains {
			if other != d && slices.Contains(hostAddress.FindAllString(other.live, -1), device) {
				return fmt.Errorf("PCI device %s is in use by driver QEMU, domain %s", device, other.name)
			}
		}
	}
	for _, card := range oneCard.FindAllString(d.xml, -1) {
		if filter := named(cardFilter, card); filter != "" && h.filterNamed(filter) == nil {
			return fmt.Errorf("referenced filter '%s' is missing", filter)
		}
	}
	for _, p := range h.pools {
		for _, name := range p.volumesIn(d.xml) {
			if err := p.canOpen(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *Host) setState(name string, s plan.State) error {
	d := h.domainNamed(name)
	if d == nil {
		return fmt.Errorf("domain %q: %w", name, plan.ErrNotFound)
	}
	d.state = s
	return nil
}

func (c *Conn) await(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	r, err := c.Report(ctx, s.Host)
	if err != nil {
		return err
	}
	if progress != nil {
		progress(plan.Progress{Text: "cloud-init " + r.CloudInit})
	}
	if r.Ready() && (!s.Probes || r.FailedProbe() == nil) {
		return nil
	}
	if r.Failed() {
		return fmt.Errorf("the guest's first boot failed: %s", strings.Join(r.Errors, "; "))
	}
	<-ctx.Done()
	return ctx.Err()
}

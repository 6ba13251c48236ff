// Package fakevirt is a libvirt host in memory, for tests: a plan.Hypervisor whose calls can be cut at any point, as a
// lost connection or a killed jeos would cut them. It keeps definitions as they were given and runs nothing.
//
// The package also holds Conformance, the suite that this host and a real libvirt both pass.
package fakevirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"jeos/plan"
)

// ErrLost is the error of a call on a connection that was cut. Whether the call did its work is unknown.
var ErrLost = errors.New("connection lost")

// Cut says how a connection is lost at some call.
type Cut int

const (
	// Before loses the connection before the call does anything.
	Before Cut = iota
	// After loses it when the call has done its work, before the reply.
	After
	// Silence never answers: the call does nothing and returns when its context ends.
	Silence
)

// Host is the host. It is safe for concurrent use. The zero value is not usable; see New.
type Host struct {
	mu       sync.Mutex
	pools    map[string]*pool
	domains  map[string]*domain     // by UUID
	networks map[string]*network    // by UUID
	filters  map[string]*filter     // by UUID
	bindings map[string]string      // by port: the name of the filter that is at work there
	ports    int                    // how many were made
	devices  []plan.HostDevice      // sorted by name
	reports  map[string]plan.Report // by domain name; a running domain without one is ready
	deaf     map[string]bool        // by domain name: does not shut down when it is asked to
}

type pool struct {
	xml     string
	active  bool
	volumes map[string]*volume
}

type volume struct {
	capacity int64
	format   string
	backing  string
	content  []byte // of uploaded volumes that are complete
}

type domain struct {
	name, uuid, xml, live string
	state                 plan.State
	autostart, persistent bool
	saved                 string // what it ran with when its memory was saved, and comes back with; empty: nothing is saved
}

type network struct {
	name, uuid, xml, live string
	active, autostart     bool
	persistent            bool
}

type filter struct{ name, uuid, xml string }

// New returns an empty host.
func New() *Host {
	return &Host{
		pools: map[string]*pool{}, domains: map[string]*domain{}, networks: map[string]*network{},
		filters: map[string]*filter{}, bindings: map[string]string{}, devices: []plan.HostDevice{},
		reports: map[string]plan.Report{}, deaf: map[string]bool{},
	}
}

// SetReport makes the running domain of that name report r from now on.
func (h *Host) SetReport(name string, r plan.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reports[name] = r
}

// SetDeaf has the domain of that name not hear it when it is asked to shut down, or hear it again.
func (h *Host) SetDeaf(name string, deaf bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deaf[name] = deaf
}

// Save saves the memory of the running domain of that name, as virsh managedsave does.
func (h *Host) Save(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.domainNamed(name)
	h.unplug(d.live)
	d.state, d.saved, d.live = plan.Off, d.live, ""
}

// Open returns a connection. A read-only one refuses every change.
func (h *Host) Open(readOnly bool) *Conn { return &Conn{host: h, readOnly: readOnly, cutAt: -1} }

// Conn is a connection to a Host: a plan.Hypervisor.
type Conn struct {
	host     *Host
	readOnly bool

	mu        sync.Mutex
	calls     int
	cutAt     int
	cut       Cut
	lost      bool
	onSilence func()
}

// CutAt has the connection lost at its n-th changing call, counted from 0.
func (c *Conn) CutAt(n int, how Cut) { c.cutAt, c.cut = n, how }

// OnSilence has f called when a call is met with Silence, so that a test need not wait for a time limit.
func (c *Conn) OnSilence(f func()) { c.onSilence = f }

// Calls returns how many changing calls were made.
func (c *Conn) Calls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

// call makes one changing call: libvirt would do it wholly or not at all.
func (c *Conn) call(ctx context.Context, mutate func(h *Host) error) error {
	c.mu.Lock()
	if c.readOnly {
		c.mu.Unlock()
		return errors.New("the connection is read-only")
	}
	if c.lost {
		c.mu.Unlock()
		return ErrLost
	}
	cut := c.calls == c.cutAt
	c.calls++
	c.lost = cut
	c.mu.Unlock()
	if cut && c.cut == Silence {
		if c.onSilence != nil {
			c.onSilence()
		}
		<-ctx.Done()
		return fmt.Errorf("%w: %w", ErrLost, ctx.Err())
	}
	if cut && c.cut == Before {
		return ErrLost
	}
	c.host.mu.Lock()
	err := mutate(c.host)
	c.host.mu.Unlock()
	if cut {
		return ErrLost
	}
	return err
}

// Close ends the connection.
func (c *Conn) Close() error { return nil }

// Inventory implements plan.Reader.
func (c *Conn) Inventory(_ context.Context, poolName string, wanted func(string) bool) (*plan.Inventory, error) {
	c.mu.Lock()
	lost := c.lost
	c.mu.Unlock()
	if lost {
		return nil, ErrLost
	}
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	inv := &plan.Inventory{URI: "fake:///"}
	for _, d := range h.domains {
		inv.Domains = append(inv.Domains, plan.HostDomain{
			Name: d.name, UUID: d.uuid, XML: d.xml, LiveXML: d.live, State: d.state, Autostart: d.autostart, Persistent: d.persistent, ManagedSave: d.saved != "",
		})
	}
	slices.SortFunc(inv.Domains, func(a, b plan.HostDomain) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range h.networks {
		inv.Networks = append(inv.Networks, plan.HostNetwork{
			Name: n.name, UUID: n.uuid, XML: n.xml, LiveXML: n.live, Active: n.active, Autostart: n.autostart, Persistent: n.persistent,
		})
	}
	slices.SortFunc(inv.Networks, func(a, b plan.HostNetwork) int { return cmp.Compare(a.Name, b.Name) })
	inv.Filters, inv.Bindings = h.readFilters(wanted)
	p := h.pools[poolName]
	if p == nil {
		return inv, nil
	}
	inv.Pool = &plan.HostPool{Name: poolName, XML: p.xml, Active: p.active}
	if !p.active {
		return inv, nil
	}
	inv.Names = map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(p.volumes)) {
		inv.Names[name] = true
		if wanted(name) {
			inv.Volumes = append(inv.Volumes, plan.HostVolume{Name: name, XML: volumeXML(p, name)})
		}
	}
	return inv, nil
}

// KVM implements plan.Reader: the host has it.
func (c *Conn) KVM(context.Context) (map[string]bool, error) {
	return map[string]bool{"x86_64": true}, nil
}

// Devices implements plan.Reader.
func (c *Conn) Devices(context.Context) ([]plan.HostDevice, error) {
	c.host.mu.Lock()
	defer c.host.mu.Unlock()
	return slices.Clone(c.host.devices), nil
}

// SetDevices puts devices into the host, in the place of those that it had.
func (h *Host) SetDevices(devices []plan.HostDevice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.devices = append([]plan.HostDevice{}, devices...)
	slices.SortFunc(h.devices, func(a, b plan.HostDevice) int { return cmp.Compare(a.Name, b.Name) })
}

// Report implements plan.Hypervisor.
func (c *Conn) Report(_ context.Context, name string) (*plan.Report, error) {
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.domainNamed(name)
	if d == nil || d.state != plan.Running {
		return nil, fmt.Errorf("domain %q is not running: %w", name, plan.ErrNotFound)
	}
	if r, ok := h.reports[name]; ok {
		return &r, nil
	}
	return &plan.Report{Version: 1, Sequence: 1, BootID: d.uuid, Uptime: 10, CloudInit: "done", Hostname: name}, nil
}

// Console implements plan.Hypervisor. The console says one line and ends.
func (c *Conn) Console(_ context.Context, name string, rw io.ReadWriter) error {
	if _, err := c.Report(context.Background(), name); err != nil {
		return err
	}
	_, err := fmt.Fprintf(rw, "console of %s\r\n", name)
	return err
}

func (h *Host) domainNamed(name string) *domain {
	for _, d := range h.domains {
		if d.name == name {
			return d
		}
	}
	return nil
}

func (h *Host) networkNamed(name string) *network {
	for _, n := range h.networks {
		if n.name == name {
			return n
		}
	}
	return nil
}

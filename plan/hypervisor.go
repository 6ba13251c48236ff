package plan

import (
	"context"
	"errors"
	"io"
)

// ErrNotFound is the only sentinel of a Reader or Hypervisor: what was asked for is not there.
var ErrNotFound = errors.New("not found")

// Reader reads a libvirt host and changes nothing.
type Reader interface {
	// Inventory reads every domain and network of the host, the pool of that name, which filters there are and where they are
	// at work, and the XML of those filters and of those volumes of the pool whose names are wanted. An object that vanishes
	// between listing and reading is left out. It is safe to call while others change the host; the answer is then a mixture
	// of before and after.
	Inventory(ctx context.Context, pool string, wanted func(name string) bool) (*Inventory, error)
	// KVM reports, by architecture ("x86_64"), whether the host has hardware virtualisation. libvirt may take seconds to
	// find out, so that only those who need it should ask.
	KVM(ctx context.Context) (map[string]bool, error)
	// Devices reads the PCI devices of the host, and the network interfaces on them, sorted by name. A host has many, so that
	// only those who need them should ask. The result is not nil when there is none.
	Devices(ctx context.Context) ([]HostDevice, error)
	// Close ends the connection. The Reader must not be used after it.
	Close() error
}

// Hypervisor is a libvirt host that can be changed.
type Hypervisor interface {
	Reader
	// Do does one step and returns when it is done. Progress is called from one goroutine at a time and may be nil.
	// When ctx ends before the step does, the outcome is unknown, and the error says so.
	Do(ctx context.Context, s Step, progress func(Progress)) error
	// Report asks the guest in the running domain of that name for its state. ErrNotFound means that there is no such
	// domain or that it is off. It waits until the guest says something or ctx ends.
	Report(ctx context.Context, domain string) (*Report, error)
	// ReadVolume returns what a volume holds, cut off at limit bytes. ErrNotFound means that there is no such pool or
	// volume. It needs a connection that may write.
	ReadVolume(ctx context.Context, pool, volume string, limit int64) ([]byte, error)
	// Console connects rw with the serial console of the running domain of that name until either side ends.
	Console(ctx context.Context, domain string, rw io.ReadWriter) error
}

// Progress tells how far a step is. A step that moves bytes fills Done and Total; one that waits fills Text.
type Progress struct {
	Done, Total int64
	Text        string
}

// Inventory is what a host has, as libvirt says it.
type Inventory struct {
	URI      string          // as connected
	KVM      map[string]bool // what Reader.KVM says; nil when nobody asked
	Pool     *HostPool       // nil when there is none of that name
	Domains  []HostDomain    // sorted by name
	Networks []HostNetwork   // sorted by name
	Filters  []HostFilter    // sorted by name
	Bindings []HostBinding   // sorted by port
	Devices  []HostDevice    // what Reader.Devices says; nil when nobody asked
	Volumes  []HostVolume    // the wanted ones, sorted by name; nil when the pool is missing or not active
	Names    map[string]bool // every volume name in the pool, wanted or not
}

// HostPool is a storage pool.
type HostPool struct {
	Name, XML string
	Active    bool
}

// HostDomain is a domain. XML is the inactive definition (of a transient domain: what it runs with), which holds the
// passwords in it when the host may be changed; LiveXML is empty unless it runs or is paused, and never holds any.
type HostDomain struct {
	Name, UUID, XML, LiveXML string
	State                    State
	Autostart, Persistent    bool
	ManagedSave              bool
}

// HostNetwork is a network. LiveXML is empty unless it is active.
type HostNetwork struct {
	Name, UUID, XML, LiveXML string
	Active, Autostart        bool
	Persistent               bool
}

// HostVolume is a volume of the pool.
type HostVolume struct{ Name, XML string }

// HostFilter is a network filter (https://libvirt.org/formatnwfilter.html). XML is empty for those that were not wanted.
type HostFilter struct{ Name, UUID, XML string }

// HostBinding says that a filter is at work at a port of a running domain (https://libvirt.org/formatnwfilterbinding.html).
type HostBinding struct {
	Port   string // the interface of the host: "vnet3"
	Filter string // name
}

// HostDevice is a PCI device of the host, or a network interface on one (https://libvirt.org/formatnode.html).
type HostDevice struct{ Name, XML string }

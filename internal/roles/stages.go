package roles

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Body is a role block, or a block in one. The caller has checked its shape: all names are known, what is required is
// there, and labels are as the definition says.
type Body struct {
	At        hcl.Range // of the header
	Label     string
	LabelAt   hcl.Range
	Arguments map[string]Value // what is written
	Blocks    map[string][]Body
}

// Value is that of an argument that is written. It is unknown when it could not be made, which has been reported, or is
// not known yet.
type Value struct {
	Value cty.Value // see Type; may be sensitive
	At    hcl.Range // of the expression
}

// Input is what a stage may depend on.
type Input struct {
	Site, Guest string
	Release     string // codename of the system in the guest; empty: unknown
	Arch        string
	Block       Body

	// From Export on: facts about the network cards that Identity gave, by name. Nil says that they are unknown.
	NICs map[string]Card
	// From Export on: addresses of the hosts that Identity gave. Those of one that is missing are unknown.
	Pinned map[string][]netip.Addr

	// For Expand: the network cards of other guests that go through this one.
	Clients []Client
}

// Card is a network card whose addresses are known.
type Card struct {
	MAC       string
	Addresses []netip.Prefix // with the lengths of the network; at most one a family
	Gateway   *Gateway       // the guest that is its gateway; nil: none is
}

// Gateway is what a guest knows of its gateway, on the network that they share.
type Gateway struct {
	Guest, MAC string
	Addresses  []netip.Addr // at most one a family
}

// Client is a network card of a guest, whose gateway is the one that is asked.
type Client struct {
	Guest     string
	Interface string // of the gateway, on the network that they share
	MAC       string
	Addresses []netip.Addr
	Export    cty.Value // what Export gave for the guest; NilVal is null, for guests without a role
}

// Identity is what must be known of a guest before addresses are assigned.
type Identity struct {
	NICs    []NIC    // in the order of role.hcl, which is that inside the guest
	Devices []Device // sorted by name
	Hosts   []Host   // whose addresses the lock file must hold; sorted, IP addresses left out
}

// NIC is a network card. Its name is also that of the interface inside the guest.
type NIC struct {
	Name    string
	Network string // its name
	Via     string // the guest that is the gateway; empty: none is
	Gateway bool   // this guest is the gateway of that network
	DHCP    *bool  // nil: as for a nic block that does not say

	DefaultRoute *bool // likewise
	At           hcl.Range
}

// Device is a PCI device of the host. Exactly one of ID and Address is there.
type Device struct {
	Name, ID, Address string
	Managed           bool
	At                hcl.Range
}

// Host is a name that must be resolved.
type Host struct {
	Name string
	At   hcl.Range
}

// Expansion is what a guest is, beside its identity. Names of interfaces are those inside the guest.
type Expansion struct {
	Packages []string // in the order of role.hcl
	Enable   []string // likewise
	Disable  []string // likewise
	Apply    []string // likewise
	Guard    string
	Files    []File    // sorted by path
	Probes   []Probe   // sorted by name
	Outside  []string  // sorted
	Forwards []Forward // sorted by From and To
	Tunnels  []Tunnel  // sorted by name
}

// File is a file in the guest.
type File struct {
	Path      string // clean and absolute
	Content   []byte
	Sensitive bool
	Mode      uint32 // permission bits
	Owner     string // "root:root"
}

// Probe is a question to the guest: a shell line.
type Probe struct{ Name, Command string }

// Forward says that the guest passes packets on, and lets the answers back.
type Forward struct {
	From, To     string
	TunnelsAlone bool // only packets of its clients' tunnels, to their endpoints
}

// Tunnel is an interface whose packets leave the guest encrypted.
type Tunnel struct {
	Name, Over string
	Endpoints  []Endpoint // sorted
}

// Endpoint is where the packets of a tunnel go.
type Endpoint struct {
	Addr  netip.Addr
	Proto string // "udp" or "tcp"
	Port  uint16
}

package config

import (
	"net/netip"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// Site is what the files of one folder say, with every default filled in, every reference resolved, every address
// assigned and every rule checked. It is plain data: no expression is left. Slices are sorted by name unless said
// otherwise, so that the same files always give the same Site.
type Site struct {
	Name     string
	URI      string // of libvirt; empty when the files do not say
	Pool     Pool
	Images   []Image
	Networks []Network
	Guests   []Guest // for_each is expanded
	Outputs  []Output
	Lock     Lock // what the lock file must hold when this site is applied
	Notices  []Notice
}

// Notice tells of a directive of an OpenVPN profile that was left out because the client's own configuration does the
// same, or knows better. What is left out for other reasons is a warning.
type Notice struct {
	Profile   string // as the site names the file
	Line      int    // of the first that this is about, from 1
	Directive string
	Reason    string // full sentences
}

// Pool is the storage pool that holds the site's volumes.
type Pool struct {
	Name   string
	Path   string // where it is made, as a dir pool, when the host has none of that name
	Origin string
}

// Image is what guests are made from: a local file, a file that the lock file pins, or the result of a bake.
type Image struct {
	Name     string
	Path     string // absolute, of the file or of its place in the cache, where it may be missing; empty for a bake
	Format   string // "qcow2" or "raw"
	SHA256   string // lower-case hex of the file; empty for a bake
	Size     int64  // virtual size in bytes
	FileSize int64  // bytes; 0 for a bake
	Arch     string // "x86_64" or "aarch64", of its system; empty: the files do not say
	Locked   *LockedImage
	Bake     *Bake
	Origin   string // "main.jeos.hcl:12", as in all types here
}

// Bake is how an image is made from another one, by a throw-away guest.
type Bake struct {
	Base           string   // name of an Image
	Serial         int      // counts from 1: an upgrade bakes the same recipe again under the next one
	Packages       []string // in the order of the files, the guest agent's included
	RemovePackages []string // in the order of the files
	Apt            Apt
	Files          []File // in the order of the files
	Run            []Text // shell command lines, in the order of the files
	Kernel         string // "keep", "generic" or "virtual"
	CPUs           int
	Memory         int64 // bytes
	Timeout        time.Duration
	Network        *Network // of its own, with NAT, named BakeName of the image; nil: NIC is on one of the site's
	NIC            NIC      // its only one, with a default route unless the network is isolated and has no gateway
}

// BakeName is how the guest that bakes an image, and its network, are named. No guest or network of the files can have
// such a name.
func BakeName(image string) string { return "bake." + image }

// Mode says how a network reaches the world.
type Mode string

const (
	Isolated Mode = "isolated" // guests see each other; the host has no address on it
	NAT      Mode = "nat"      // the host is the gateway and translates addresses
	Bridged  Mode = "bridge"   // guests sit on a bridge that the host has already
)

// Network is a libvirt network.
type Network struct {
	Name      string
	Mode      Mode
	CIDRs     []netip.Prefix // at most one a family, IPv4 first, masked
	Host      []netip.Addr   // the host's own addresses on a nat network, one for each of CIDRs; else empty
	Bridge    string         // derived, or the host's bridge for mode bridge
	DHCP      bool
	DHCPRange [2]netip.Addr // IPv4, first and last; zero unless DHCP
	DNS       []netip.Addr  // resolvers that guests are told; for nat by default Host
	MTU       int           // 0: libvirt's default

	IsolatedPorts bool // guests on it reach its gateways only, and not each other
	Origin        string
}

// Guest is a virtual machine.
type Guest struct {
	Name           string // with for_each "label-key"
	Image          string // name of an Image
	CPUs           int
	Memory         int64 // bytes
	Disk           int64 // of the root disk, bytes; at least the image's virtual size
	Running        *bool // nil: not managed
	Autostart      bool
	Arch           string // "x86_64"
	Machine        string // "q35"
	Firmware       string // "bios" or "uefi"
	Accel          string // "auto", "kvm" or "tcg"
	Hostname       string
	Timezone       string   // empty: the image's
	Locale         string   // empty: the image's
	Packages       []string // in the order of the files
	RemovePackages []string // likewise
	Apt            Apt
	Run            []Text         // shell command lines, in the order of the files
	Swap           int64          // bytes; 0: none
	CloudConfig    map[string]any // merged last; nil: none. Values are nil, bool, int64, float64, string, []any and map[string]any
	CloudSensitive bool           // CloudConfig holds a sensitive value
	ConsoleLogin   bool
	StopTimeout    time.Duration
	ForceStop      bool
	ReadyTimeout   time.Duration
	Protect        bool
	FollowImage    bool     // on_image_change is "recreate"
	NICs           []NIC    // in the order of the files: the order inside the guest
	Disks          []Disk   // in the order of the files
	Users          []User   // in the order of the files
	Files          []File   // in the order of the files
	Devices        []Device // sorted by name
	Role           *Role    // nil: none
	Needs          []string // other guests that the blocks of this one refer to, sorted; two guests may need each other
	Origin         string
}

// Text is a string that may be secret.
type Text struct {
	Value     string
	Sensitive bool
}

// Apt is where a guest gets its packages from.
type Apt struct {
	Mirror Text
	Proxy  Text
}

// NIC is a network card of a guest.
type NIC struct {
	Name         string
	Network      string         // name of a Network
	MAC          string         // lower case
	Addresses    []netip.Prefix // host address with the length of its network; at most one a family, IPv4 first
	DHCP         bool
	Gateways     []netip.Addr // of the default route, one a family at most; empty unless DefaultRoute
	DefaultRoute bool
	DNS          []netip.Addr // of its network, or its gateway's addresses where that is a guest
	MTU          int
	Via          string  // the guest that is its gateway; empty: none is
	Gateway      bool    // its guest is the gateway on the network, so that its port is never isolated
	Filter       *Filter // what the host lets through; nil: everything
	Origin       string
}

// Endpoint is where the packets of a tunnel go.
type Endpoint struct {
	Addr  netip.Addr
	Proto string // "udp" or "tcp"
	Port  uint16
}

// Filter is what the host lets through between a network card and its network. It drops everything else, both ways.
// Packets go to and from the peers alone. But for a router's, they come from the addresses of the card.
type Filter struct {
	Peers     []string   // MAC addresses, lower case, sorted
	Router    bool       // the card may send packets of any address
	Endpoints []Endpoint // where IP packets from the card may go, sorted; nil: anywhere
}

// Device is a PCI device of the host that a guest has for itself. It is named by its identity or by its address.
type Device struct {
	Name    string
	ID      string // "8086:2723", vendor and product in lower-case hex; or empty
	Address string // "0000:03:00.0"; or empty
	Managed bool   // libvirt takes the device from the driver that the host has for it, and gives it back
	Origin  string
}

// Role is what a guest is for, beyond what any guest is: the outcome of a role block. The names of interfaces are those
// inside the guest, as are those of its network cards.
type Role struct {
	Name     string
	Confined bool      // the guest may reach the outside through a tunnel alone
	Files    []File    // sorted by path. Every boot brings those of the newest seed
	Enable   []string  // systemd units that run, in this order
	Disable  []string  // systemd units that must not run
	Apply    []string  // shell lines, run when files came or changed and before the units start again
	Guard    string    // shell line that succeeds while the guest's own rules are as they should be; empty: it has none
	Probes   []Probe   // sorted by name
	Outside  []string  // interfaces that lead to the outside and are no network card of the files
	Forwards []Forward // sorted by From and To
	Tunnels  []Tunnel  // sorted by name
	Origin   string
}

// Probe is a question to a guest that has something to tell. It gates nothing by itself.
type Probe struct {
	Name    string
	Command string // shell line that prints one line and succeeds when all is well
}

// Forward says that a guest passes packets on, and lets the answers back.
type Forward struct {
	From, To     string // interfaces
	TunnelsAlone bool   // only packets of its clients' tunnels, to their endpoints
}

// Tunnel is an interface whose packets leave the guest encrypted.
type Tunnel struct {
	Name      string // of the interface
	Over      string // the network card that the encrypted packets leave by
	Endpoints []Endpoint
}

// Disk is a data disk of a guest.
type Disk struct {
	Name   string
	Size   int64  // bytes
	Mount  string // clean absolute path; empty: left alone
	FS     string // "ext4" or "xfs"
	Keep   bool
	Origin string
}

// User is an account in a guest.
type User struct {
	Name           string
	SSHKeys        []string // authorized_keys lines
	Sudo           bool
	Groups         []string
	Shell          string // empty: the image's default
	UID            *int
	Gecos          string
	HashedPassword string // crypt(3) form; empty: locked. Always treated as a secret
	Origin         string
}

// File is a file that the guest's first boot writes.
type File struct {
	Path      string // clean and absolute
	Content   []byte
	Sensitive bool
	Mode      uint32 // permission bits; 0644 by default
	Owner     string // "root:root" by default
	Origin    string
}

// Output is a named value for people and scripts.
type Output struct {
	Name      string
	Value     cty.Value // unmarked, wholly known
	Sensitive bool
}

package plan

import (
	"io"
	"time"
)

// Effect says what changing an attribute of an existing object costs.
// The zero value is the cheapest; a change as a whole has the greatest effect of its attributes.
type Effect int

const (
	// Live changes are made to the definition and to the running guest at once.
	Live Effect = iota
	// Restart changes are made to the definition while the guest is off; the guest is restarted.
	Restart
	// Replace changes cannot be made to an existing object: it is destroyed and created anew.
	Replace
	// DataLoss changes delete data that no file can bring back.
	DataLoss
	// OnCreate attributes act only while a guest is made. A difference is a notice and never a change.
	OnCreate
)

// Attr is one attribute of a resource in the form in which it is compared and shown. RuleFor tells what changing it costs.
type Attr struct {
	Name   string // "memory", "nic.lan", "seed.network"
	Value  string // canonical: the same setting always has the same value
	Secret bool   // Value must never be shown, not even as a hash
}

// Resource is one object as the files want it.
type Resource struct {
	Addr
	Host   string // its name on the host
	UUID   string // of domains, networks and filters; empty for the rest
	Origin string // "main.jeos.hcl:12", where the files declare it
	Parent Addr   // volume and filter: the guest that it belongs to
	Hidden bool   // volume: a seed; people see its guest only
	Attrs  []Attr // sorted by name
	XML    string // the whole definition, for create
	Needs  []Addr // resources that must be there and started before this one starts
	Body   Addr   // guest: its root volume. While that is missing the guest counts as not made
	Parts  []Addr // guest: all its volumes, seed and root included
	Via    []Addr // guest: the guests that its packets go through, as those of a gateway's clients do

	// Edit returns current, the inactive XML that libvirt has, with everything that jeos manages set as wanted and
	// everything else as it was. Nil where an object cannot be edited.
	Edit func(current string) (string, error)
	// Update returns device, the XML of a device of the running guest, with all of it as wanted that can be changed live. It
	// returns "" for a device that the guest is not to keep. Nil for all but guests.
	Update func(device string) (string, error)

	Content *Content // what an uploaded volume holds
	Bake    *Bake    // image: how it is made, where it is not uploaded
	Size    int64    // volume: capacity in bytes; never shrinks

	SizeDefault bool // volume: Size comes from the image, and says nothing about a disk that is there

	Running      *bool         // guest: nil means not managed
	Autostart    bool          // guest and network
	StopTimeout  time.Duration // guest: how long a clean shutdown may take
	ForceStop    bool          // guest: pull the plug after StopTimeout
	ReadyTimeout time.Duration // guest: how long it may take to report ready
	Protect      bool          // guest: refuse destroy and replace
	FollowImage  bool          // guest: made anew when its image is another one
	Keep         bool          // volume: survives replace and destroy of its guest
}

// Content is a stream that can be opened as often as it is needed, and not before.
type Content struct {
	SHA256 string                               // lower-case hex of the whole; empty when it is not known before
	Open   func() (io.ReadCloser, int64, error) // the stream and its length in bytes
	Check  func() error                         // tells beforehand that Open cannot work; nil: nothing to check
}

// Bake is how a throw-away guest makes an image. The guest boots from a layer over another image, changes it, reports
// ready and switches itself off; then the layer and what is below it are cloned into the image, and the guest goes away
// with all that is its own. An image counts as made once its last clone is complete.
type Bake struct {
	Guest   Resource   // its Needs are the image below and, on a network of the site, that, the gateway's guest and its filter
	Network *Resource  // of its own, which comes and goes with it; nil: it has none
	Filters []Resource // of its cards, which come and go with it, too
	Volumes []Resource // its disks; the root disk is Guest.Body
	Clones  []Clone    // in this order; the image itself is the last
}

// Clone copies the whole of what a volume shows to a guest into a new volume that stands by itself.
type Clone struct {
	From string // volume
	To   string // volume
	XML  string // definition of To
}

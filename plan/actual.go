package plan

// Actual is what the host has of one site, after builders.Observe has made sense of libvirt's XML.
type Actual struct {
	Pool string // name of the pool that holds the volumes
	// Objects holds what belongs to the site, and the pool and images that it shares with others.
	Objects map[Addr]*Object
	// Bakes holds, by the name of the image, what a bake that did not come to its end left behind.
	Bakes map[string]*Remains
	// Lost holds the baked images that are gone from the pool, or not whole, although a root disk in it is a layer over
	// them: by the image's name on the host, the names there of the domains with such a disk, sorted. The domains are of
	// any site. Where a disk of this site has none, it is the name that its domain would have.
	Lost map[string][]string
	// Foreign holds, by kind and host name, what has a name of the site's or an image's form but is not the site's:
	// the value says in words why not ("it carries no owner mark of jeos").
	Foreign map[Addr]string
	// VolumesUnknown is set while the pool exists but is not active, so that nobody can say what it holds.
	VolumesUnknown bool
}

// Remains are the parts of a bake that are on the host. Each of them may be missing.
type Remains struct {
	Guest, Network *Object
	Filters        []*Object // sorted by name
	Volumes        []*Object // sorted by name
}

// State is the power state of a domain or network, reduced to what matters here.
type State int

const (
	// Off covers shut off, crashed and saved.
	Off State = iota
	// Running is running, blocked or in shutdown.
	Running
	// Paused counts as not running; starting a paused guest resumes it.
	Paused
)

// Object is one object of the site as the host has it.
type Object struct {
	Addr
	Host  string // its name on the host now; differs from the wanted one when somebody renamed it
	UUID  string
	State State
	XML   string // inactive definition

	// Attrs are read from the inactive definition, Live from the running one (nil when off), Applied from the metadata
	// that the last apply left in the inactive definition, LiveApplied from the metadata of the running one.
	Attrs, Live, Applied, LiveApplied map[string]string

	// Detach holds, by attribute name, the XML of devices of the running domain, for detaching them live.
	Detach map[string]string
	// Devices holds, by attribute name, the XML of devices of the running domain on which that attribute can be changed live.
	Devices map[string]string

	Complete bool  // volume: written to its end. An incomplete volume counts as missing and is deleted before it is made again
	Size     int64 // volume: capacity in bytes; negative when nobody can tell
	Keep     bool  // volume: the guest's metadata says that it must survive
	Protect  bool  // guest: its metadata refuses destroy and replace

	Parent Addr   // volume and filter: the guest that it belongs to
	Hidden bool   // volume: a seed; people see its guest only
	InUse  bool   // volume: a running domain has it open
	Needs  []Addr // guest: the networks and filters that its definitions (inactive and live) use
	Uses   []Addr // guest: those of them that the live one uses

	Saved       bool   // guest: its memory is saved (virsh managedsave) and comes back at its next start
	StopTimeout string // guest: from the metadata, a time.Duration string; empty when not recorded
	ForceStop   bool
}

// Foreign reports whether a disk of the name that w has holds something that jeos did not make: a disk is made whole or,
// when that was cut, empty. What is uploaded can be incomplete, and is made again.
func (o *Object) Foreign(w *Resource) bool {
	return !o.Complete && w.Content == nil && o.Size != 0
}

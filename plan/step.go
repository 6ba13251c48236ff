package plan

import (
	"time"
)

// Verb is one thing that a Hypervisor can do. Every verb is idempotent: doing it again, or doing it when somebody else
// has done it already, is no error.
type Verb string

const (
	// DefinePool defines the pool Host from XML, to start with the host.
	DefinePool Verb = "define pool"
	// StartPool starts the pool Host, and makes the folder of a dir pool when it is missing.
	StartPool Verb = "start pool"
	// RefreshPool makes libvirt look at the pool's folder anew.
	RefreshPool Verb = "refresh pool"
	// CreateVolume creates the volume Host of Pool from XML.
	CreateVolume Verb = "create volume"
	// UploadVolume creates the volume Host of Pool from XML and fills it with Content, in such a way that a cut upload
	// is seen as incomplete. A volume that is there and complete is left as it is.
	UploadVolume Verb = "upload volume"
	// GrowVolume grows the volume Host to Size bytes, through the running domain Domain if it is running.
	GrowVolume Verb = "grow volume"
	// CloneVolume makes the volume Host of Pool, defined by XML, a copy of what the volume From shows, and ends with an
	// empty volume Host + ".ok", which marks it as complete. A complete one is left as it is, an incomplete one is made anew.
	CloneVolume Verb = "clone volume"
	// DeleteVolume deletes the volume Host of Pool and its marker.
	DeleteVolume Verb = "delete volume"
	// DefineNetwork defines the network Host from XML over the same UUID.
	DefineNetwork Verb = "define network"
	// StartNetwork starts the network Host.
	StartNetwork Verb = "start network"
	// StopNetwork stops the network Host.
	StopNetwork Verb = "stop network"
	// UndefineNetwork removes the definition of the network Host.
	UndefineNetwork Verb = "undefine network"
	// AutostartNetwork sets whether the network Host starts with the host, to On.
	AutostartNetwork Verb = "set autostart of network"
	// DefineFilter defines the network filter Host from XML over the same UUID. Where it is at work already, what it lets
	// through changes at once.
	DefineFilter Verb = "define filter"
	// UndefineFilter removes the network filter UUID.
	UndefineFilter Verb = "undefine filter"
	// RenameGuest renames the domain UUID, which must be off, to Host.
	RenameGuest Verb = "rename guest"
	// ForgetGuest drops the saved memory of the domain Host, so that it boots at its next start.
	ForgetGuest Verb = "drop saved memory of guest"
	// DefineGuest defines the domain Host from XML over the same UUID.
	DefineGuest Verb = "define guest"
	// AutostartGuest sets whether the domain Host starts with the host, to On.
	AutostartGuest Verb = "set autostart of guest"
	// StartGuest starts the domain Host, or resumes it when it is paused. Its console is recorded from the first byte.
	StartGuest Verb = "start guest"
	// AwaitGuest waits until the domain Host reports ready and, if Probes, that its probes succeed, for at most Timeout.
	AwaitGuest Verb = "wait for guest"
	// StopGuest shuts the domain Host down and waits until it is off, for at most Timeout; then, if On, pulls the plug.
	StopGuest Verb = "stop guest"
	// DetachDevice takes the device XML from the running domain Host and waits until it is gone.
	DetachDevice Verb = "detach device from guest"
	// UpdateDevice makes the device of the running domain Host that XML describes wholly as XML says. A network card whose
	// filter is not at work afterwards is an error. There is nothing to do for a domain that is off.
	UpdateDevice Verb = "update device of guest"
	// UndefineGuest removes the definition of the domain Host with everything that libvirt keeps for it.
	UndefineGuest Verb = "undefine guest"
)

// Step is one call for the hypervisor. It says how; Change says what.
type Step struct {
	Verb
	Addr    Addr          // the object that it is for, for messages
	Host    string        // name on the host
	UUID    string        // of the domain, network or filter
	Pool    string        // of a volume
	Domain  string        // GrowVolume: the domain that may have the volume open
	From    string        // CloneVolume: the volume to copy
	Remedy  string        // AwaitGuest, StopGuest: what to do when it fails, a clause; empty for a guest of the site
	XML     string        // definition
	Content *Content      // UploadVolume
	Size    int64         // GrowVolume: bytes
	Probes  bool          // AwaitGuest: its probes must succeed, too
	On      bool          // autostart on; StopGuest: pull the plug at the end
	Timeout time.Duration // StopGuest, AwaitGuest
	Needs   []int         // indices of the steps that must be done first; all smaller than its own

	// Always has the step done also when steps that it needs failed or were skipped, as soon as each of them has ended in
	// one way or another. It is for clearing away. Like all others it is not begun any more when the work was stopped.
	Always bool
}

// String says the step in a few words: "start guest.web".
func (s Step) String() string { return string(s.Verb) + " " + s.Addr.Name }

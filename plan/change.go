package plan

// Action says what happens to one object. The values are the symbols that people see.
type Action string

const (
	NoOp     Action = ""
	Create   Action = "+"
	Update   Action = "~"
	Recreate Action = "-/+"
	Delete   Action = "-"
)

// Change is what happens to one object, for people: text, JSON and saved plans are made of changes.
// Nothing executes a Change; see Step.
type Change struct {
	Addr
	Action   Action
	Attrs    []AttrChange // sorted by name; for Create all attributes, for Delete what the host has
	Effect   Effect       // the greatest effect of Attrs
	Reason   string       // one line, explanation only: "not in the files any more"
	Origin   string       // where the files declare it
	Disrupts []Addr       // running guests that this change stops, restarts or cuts off, itself included
	Security bool         // undoes something that was done by hand to the security set
}

// AttrChange is one attribute of a Change.
//
//	Action | From            | To
//	Create | ""              | wanted
//	Update | what host has   | wanted ("" for a device that goes away)
//	Delete | what host has   | ""
type AttrChange struct {
	Name     string
	From, To string
	Effect   Effect
	Secret   bool
	Security bool
	Cause    Cause
}

// Cause tells who made a difference.
type Cause string

const (
	// ByFiles: the files changed since the last apply.
	ByFiles Cause = "files"
	// ByHand: the host changed since the last apply; the files did not.
	ByHand Cause = "hand"
	// ByBoth: both changed, to different values.
	ByBoth Cause = "both"
)

// Plan is the difference between the files and the host, and the way from one to the other.
type Plan struct {
	Pool    string   // that holds the site's volumes
	Changes []Change // in the order of Addr.Compare
	Steps   []Step   // the needs of a step come before it
	Pending []Change // made already, and waiting for a restart of the guest; no change
	Notices []Notice // what differs and will not be changed

	// Wanted and Found are digests of all that the plan was made from: what the files and variables want, and what the
	// host has. No secret can be found out from them.
	Wanted, Found string

	poolMissing bool // the host has no pool of that name, so that there is nothing to look at before the first step
}

// Notice is something that the reader of a plan should know and that apply does nothing about.
type Notice struct {
	Addr
	Text string
}

// OpenGuards names what should keep a running guest in and does not, although apply can put it right without a restart. After
// an apply there is nothing left to name.
func (p *Plan) OpenGuards() []string {
	var open []string
	for _, c := range p.Changes {
		for _, a := range c.Attrs {
			if c.Security && a.Security && a.Effect == Live {
				open = append(open, c.Addr.String()+": "+a.Name)
			}
		}
	}
	return open
}

// Empty reports whether there is nothing to apply.
func (p *Plan) Empty() bool { return len(p.Changes) == 0 }

// Security reports whether any change undoes security drift.
func (p *Plan) Security() bool {
	for _, c := range p.Changes {
		if c.Security {
			return true
		}
	}
	return false
}

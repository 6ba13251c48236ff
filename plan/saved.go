package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Saved is a plan in a file. It holds what a person approved and enough to tell whether that is still the plan; it holds
// no step, no definition and no secret. Apply makes the plan anew and refuses unless the two are the same.
type Saved struct {
	FormatVersion string          `json:"format_version"`
	Version       string          `json:"jeos_version"`
	Site          string          `json:"site"`
	URI           string          `json:"uri"`
	Options       Options         `json:"options"`
	Wanted        string          `json:"wanted_digest"`
	Found         string          `json:"found_digest"`
	Plan          json.RawMessage `json:"plan"` // as WriteJSON writes it
}

// NewSaved returns the plan in the form for a file.
func NewSaved(p *Plan, version, site, uri string, opt Options) (*Saved, error) {
	data, err := json.Marshal(p.json(uri))
	if err != nil {
		return nil, err
	}
	return &Saved{FormatVersion, version, site, uri, opt, p.Wanted, p.Found, data}, nil
}

// ReadSaved reads what Write wrote. Anything else is an error.
func ReadSaved(r io.Reader) (*Saved, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var s Saved
	if err := dec.Decode(&s); err != nil {
		return nil, fmt.Errorf("this is not a plan that \"jeos plan --out\" wrote: %w", err)
	}
	if s.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("the plan has format %q and this jeos reads %q: make the plan again", s.FormatVersion, FormatVersion)
	}
	var p planJSON
	if err := json.Unmarshal(s.Plan, &p); err != nil {
		return nil, fmt.Errorf("this is not a plan that \"jeos plan --out\" wrote: %w", err)
	}
	return &s, nil
}

// Write writes the saved plan as one line of JSON.
func (s *Saved) Write(w io.Writer) error { return json.NewEncoder(w).Encode(s) }

// Check compares the saved plan with one that was made just now. The error says what is different.
func (s *Saved) Check(now *Plan, uri string) error {
	if s.URI != uri {
		return fmt.Errorf("plan is stale: it was made for %s and this is %s", s.URI, uri)
	}
	var then planJSON
	if err := json.Unmarshal(s.Plan, &then); err != nil {
		return err
	}
	if s.Wanted == now.Wanted && s.Found == now.Found {
		return nil
	}
	var why []string
	if s.Wanted != now.Wanted {
		why = append(why, "the files or variables changed")
	}
	if s.Found != now.Found {
		why = append(why, "the host changed")
	}
	if changed := differing(then.Changes, now.json(uri).Changes); len(changed) > 0 {
		why = append(why, "the plan differs at "+strings.Join(changed, ", "))
	}
	return errors.New("plan is stale: " + strings.Join(why, "; ") + ". Make a new one with \"jeos plan --out\"")
}

// differing lists the addresses whose changes are not the same in both lists, sorted.
func differing(a, b []changeJSON) []string {
	form := func(list []changeJSON) map[string]string {
		m := map[string]string{}
		for _, c := range list {
			data, _ := json.Marshal(c) // plain data always encodes
			m[c.Address] = string(data)
		}
		return m
	}
	before, after := form(a), form(b)
	var out []string
	for address, text := range before {
		if after[address] != text {
			out = append(out, address)
		}
	}
	for address := range after {
		if _, ok := before[address]; !ok {
			out = append(out, address)
		}
	}
	slices.Sort(out)
	return out
}

// View returns what the saved plan shows: its changes, what is pending and the notices, without steps.
func (s *Saved) View() (*Plan, error) {
	var j planJSON
	if err := json.Unmarshal(s.Plan, &j); err != nil {
		return nil, err
	}
	p := &Plan{Changes: viewChanges(j.Changes), Pending: viewChanges(j.Pending), Wanted: s.Wanted, Found: s.Found}
	for _, n := range j.Notices {
		a, err := ParseAddr(n.Address)
		if err != nil {
			return nil, err
		}
		p.Notices = append(p.Notices, Notice{a, n.Text})
	}
	return p, nil
}

func viewChanges(list []changeJSON) []Change {
	var out []Change
	for _, j := range list {
		c := Change{Addr: Addr{Kind(j.Type), j.Name}, Effect: effectNamed(j.Effect), Security: j.Security, Reason: j.Reason, Origin: j.Origin}
		for _, action := range []Action{Create, Update, Recreate, Delete} {
			if slices.Equal(actionNames(action), j.Change.Actions) {
				c.Action = action
			}
		}
		for _, d := range j.Disrupts {
			if a, err := ParseAddr(d); err == nil {
				c.Disrupts = append(c.Disrupts, a)
			}
		}
		c.Attrs = viewAttrs(j.Change)
		out = append(out, c)
	}
	return out
}

func viewAttrs(v valuesJSON) []AttrChange {
	attrs := map[string]*AttrChange{}
	at := func(name string) *AttrChange {
		if attrs[name] == nil {
			attrs[name] = &AttrChange{Name: name, Effect: effectNamed(v.Effects[name]), Cause: v.Causes[name]}
		}
		return attrs[name]
	}
	for name, value := range v.Before {
		at(name).From = value
	}
	for name, value := range v.After {
		at(name).To = value
	}
	for name := range v.BeforeSensitive {
		a := at(name)
		a.Secret, a.From = true, "(sensitive)"
	}
	for name := range v.AfterSensitive {
		a := at(name)
		a.Secret, a.To = true, "(sensitive)"
	}
	var out []AttrChange
	for _, a := range attrs {
		out = append(out, *a)
	}
	return sortChanges(out)
}

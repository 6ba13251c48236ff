package plan

import (
	"encoding/json"
	"io"
)

// FormatVersion is the version of the JSON form of a plan. A new minor version adds fields; a new major version changes
// what a field means.
const FormatVersion = "1.0"

// JSON field names are those of Terraform's JSON plan where Terraform has the thing.
type (
	planJSON struct {
		FormatVersion string       `json:"format_version"`
		URI           string       `json:"uri"`
		Changes       []changeJSON `json:"resource_changes"`
		Pending       []changeJSON `json:"pending"`
		Notices       []noticeJSON `json:"notices"`
		Summary       Summary      `json:"summary"`
		Security      bool         `json:"security"`
	}
	changeJSON struct {
		Address  string     `json:"address"`
		Type     string     `json:"type"`
		Name     string     `json:"name"`
		Change   valuesJSON `json:"change"`
		Effect   string     `json:"effect,omitempty"`
		Disrupts []string   `json:"disrupts"`
		Security bool       `json:"security"`
		Reason   string     `json:"action_reason,omitempty"`
		Origin   string     `json:"origin,omitempty"`
	}
	// valuesJSON holds the attributes that differ; for create all of them.
	valuesJSON struct {
		Actions         []string          `json:"actions"`
		Before          map[string]string `json:"before"`
		After           map[string]string `json:"after"`
		BeforeSensitive map[string]bool   `json:"before_sensitive,omitempty"`
		AfterSensitive  map[string]bool   `json:"after_sensitive,omitempty"`
		Causes          map[string]Cause  `json:"causes,omitempty"`
		Effects         map[string]string `json:"effects,omitempty"`
	}
	noticeJSON struct {
		Address string `json:"address"`
		Text    string `json:"text"`
	}
)

// Summary counts the changes of a plan as its last line does.
type Summary struct {
	Add     int `json:"add"`
	Change  int `json:"change"`
	Destroy int `json:"destroy"`
}

// Summary counts the changes. A replacement is one to add and one to destroy.
func (p *Plan) Summary() Summary {
	var s Summary
	for _, c := range p.Changes {
		switch c.Action {
		case Create:
			s.Add++
		case Update:
			s.Change++
		case Delete:
			s.Destroy++
		case Recreate:
			s.Add++
			s.Destroy++
		}
	}
	return s
}

// WriteJSON writes the plan as one JSON document, indented. Secret values are left out and named in before_sensitive
// and after_sensitive.
func (p *Plan) WriteJSON(w io.Writer, uri string) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(p.json(uri))
}

func (p *Plan) json(uri string) planJSON {
	j := planJSON{
		FormatVersion: FormatVersion, URI: uri, Summary: p.Summary(), Security: p.Security(),
		Changes: changesJSON(p.Changes), Pending: changesJSON(p.Pending), Notices: []noticeJSON{},
	}
	for _, n := range p.Notices {
		j.Notices = append(j.Notices, noticeJSON{n.Addr.String(), n.Text})
	}
	return j
}

func changesJSON(changes []Change) []changeJSON {
	out := make([]changeJSON, 0, len(changes))
	for _, c := range changes {
		j := changeJSON{
			Address: c.Addr.String(), Type: string(c.Kind), Name: c.Name, Effect: effectName(c.Action, c.Effect),
			Disrupts: []string{}, Security: c.Security, Reason: c.Reason, Origin: c.Origin,
			Change: valuesJSON{Actions: actionNames(c.Action)},
		}
		for _, a := range c.Disrupts {
			j.Disrupts = append(j.Disrupts, a.String())
		}
		j.Change.fill(c)
		out = append(out, j)
	}
	return out
}

func (v *valuesJSON) fill(c Change) {
	if c.Action != Create {
		v.Before = map[string]string{}
	}
	if c.Action != Delete {
		v.After = map[string]string{}
	}
	for _, a := range c.Attrs {
		if a.Secret {
			put(&v.BeforeSensitive, a.Name, true, a.From != "")
			put(&v.AfterSensitive, a.Name, true, a.To != "")
		} else {
			put(&v.Before, a.Name, a.From, v.Before != nil && a.From != "")
			put(&v.After, a.Name, a.To, v.After != nil && a.To != "")
		}
		put(&v.Causes, a.Name, a.Cause, c.Action == Update || c.Action == Recreate)
		put(&v.Effects, a.Name, a.Effect.String(), c.Action == Update || c.Action == Recreate)
	}
}

func put[V any](m *map[string]V, name string, value V, when bool) {
	if !when {
		return
	}
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[name] = value
}

func actionNames(a Action) []string {
	switch a {
	case Create:
		return []string{"create"}
	case Update:
		return []string{"update"}
	case Recreate:
		return []string{"delete", "create"}
	case Delete:
		return []string{"delete"}
	}
	return []string{"no-op"}
}

// effectName is the word for what a change costs; creating costs nothing.
func effectName(action Action, e Effect) string {
	if action == Create {
		return ""
	}
	return e.String()
}

// effectNamed is the inverse of Effect.String; the cheapest for what is no effect.
func effectNamed(name string) Effect {
	for e := Live; e <= OnCreate; e++ {
		if e.String() == name {
			return e
		}
	}
	return Live
}

// String returns the word for the effect that plans and the README use.
func (e Effect) String() string {
	switch e {
	case Live:
		return "live"
	case Restart:
		return "restart"
	case Replace:
		return "replace"
	case DataLoss:
		return "data loss"
	case OnCreate:
		return "on create"
	}
	return "unknown"
}

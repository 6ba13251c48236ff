package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// TextOptions say how a plan is shown to people.
type TextOptions struct {
	URI   string // of the host, shown in the first line
	Color bool
}

// WriteText writes the plan for people: security drift first, then the other changes, what waits for a restart, what is
// not applied, and the counts. Control characters in values are escaped.
func (p *Plan) WriteText(w io.Writer, opt TextOptions) error {
	t := &textWriter{color: opt.Color}
	if p.Security() {
		t.line(styleBad, "Security drift on %s: done by hand, and undone by apply", opt.URI)
		t.changes(p.Changes, true)
	}
	if n := len(p.Changes); n > 0 && !allSecurity(p.Changes) {
		t.line(styleBold, "Changes on %s", opt.URI)
		t.changes(p.Changes, false)
	}
	if len(p.Pending) > 0 {
		t.line(styleBold, "Pending until restart (no change)\n")
		for _, c := range p.Pending {
			t.change(c, "waits for a restart")
		}
	}
	for _, n := range p.Notices {
		t.line(styleWarn, "Note: %s: %s", clean(n.Addr.String()), clean(n.Text))
	}
	if len(p.Notices) > 0 {
		t.line("", "")
	}
	if p.Empty() {
		t.line(styleGood, "No changes. The host %s matches the files.", opt.URI)
	} else {
		s := p.Summary()
		t.line(styleBold, "Plan: %d to add, %d to change, %d to destroy.", s.Add, s.Change, s.Destroy)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

func allSecurity(changes []Change) bool {
	for _, c := range changes {
		if !c.Security {
			return false
		}
	}
	return true
}

const (
	styleBold = "\x1b[1m"
	styleGood = "\x1b[32m"
	styleWarn = "\x1b[33m"
	styleBad  = "\x1b[31;1m"
	styleDim  = "\x1b[2m"
	styleOff  = "\x1b[0m"
)

type textWriter struct {
	strings.Builder
	color bool
}

func (t *textWriter) styled(style, text string) string {
	if !t.color || style == "" || text == "" {
		return text
	}
	return style + text + styleOff
}

func (t *textWriter) line(style, format string, args ...any) {
	t.WriteString(t.styled(style, fmt.Sprintf(format, args...)) + "\n")
}

func (t *textWriter) changes(changes []Change, security bool) {
	t.line("", "")
	for _, c := range changes {
		if c.Security == security {
			t.change(c, verdict(c))
		}
	}
}

func (t *textWriter) change(c Change, verdict string) {
	head := fmt.Sprintf("  # %s %s", clean(c.Addr.String()), verdict)
	if c.Reason != "" {
		head += " (" + clean(c.Reason) + ")"
	}
	t.line(styleBold, "%s", head)
	for _, a := range c.Attrs {
		if rule, ok := LookupRule(c.Kind, a.Name); ok && c.drifted(rule, a) {
			t.line(styleBad, "  # %s: %s", clean(a.Name), rule.Drift())
		}
	}
	if len(c.Disrupts) > 0 {
		names := make([]string, len(c.Disrupts))
		for i, a := range c.Disrupts {
			names[i] = clean(a.String())
		}
		t.line(styleWarn, "  # interrupts %s", strings.Join(names, ", "))
	}
	origin := ""
	if c.Origin != "" {
		origin = t.styled(styleDim, "  "+c.Origin)
	}
	t.line("", "  %s %s%s", t.symbol(c.Action), clean(c.Addr.String()), origin)
	t.attrs(c)
	t.line("", "")
}

// verdict says in words what happens, and what it costs.
func verdict(c Change) string {
	switch {
	case c.Action == Create:
		return "will be created"
	case c.Action == Delete && c.Kind == KindVolume:
		return "will be destroyed, with all that is on it"
	case c.Action == Delete:
		return "will be destroyed"
	case c.Action == Recreate && c.Kind == KindVolume:
		return "must be replaced, and loses all that is on it"
	case c.Action == Recreate:
		return "must be replaced"
	case c.Effect == Restart:
		return "will be changed, with a restart"
	}
	return "will be changed in place"
}

func (t *textWriter) symbol(a Action) string {
	styles := map[Action]string{Create: styleGood, Update: styleWarn, Recreate: styleBad, Delete: styleBad}
	return t.styled(styles[a], string(a))
}

// attrs writes the attributes of a change. Those of a new guest's first boot are named only: their values are digests.
func (t *textWriter) attrs(c Change) {
	var shown []AttrChange
	var seeded []string
	for _, a := range c.Attrs {
		if a.From == "" && a.To == "" {
			continue
		}
		if strings.HasPrefix(a.Name, "seed.") && c.Action == Create {
			seeded = append(seeded, clean(seedName(a.Name)))
			continue
		}
		shown = append(shown, a)
	}
	width := 0
	for _, a := range shown {
		width = max(width, len(a.Name))
	}
	for _, a := range shown {
		if c.Kind == KindFilter {
			t.list(c, a)
			continue
		}
		t.line("", "      %s %-*s = %s%s", t.symbol(attrAction(c, a)), width, clean(a.Name), values(c, a), t.styled(styleDim, remark(c, a)))
	}
	if len(seeded) > 0 {
		t.line(styleDim, "        seed: %s", strings.Join(seeded, ", "))
	}
}

// list writes an attribute of a filter, whose value has one rule a line: the rules that go and those that come.
func (t *textWriter) list(c Change, a AttrChange) {
	from, to := strings.Split(a.From, "\n"), strings.Split(a.To, "\n")
	if c.Action == Delete {
		t.line("", "      %s %s = %d of them", t.symbol(Delete), clean(a.Name), len(from))
		return
	}
	t.line("", "      %s %s:%s", t.symbol(attrAction(c, a)), clean(a.Name), t.styled(styleDim, remark(c, a)))
	for _, side := range []struct {
		action       Action
		items, other []string
	}{{Delete, from, to}, {Create, to, from}} {
		for _, item := range side.items {
			if item != "" && !slices.Contains(side.other, item) {
				t.line("", "          %s %s", t.symbol(side.action), clean(item))
			}
		}
	}
}

// drifted reports whether the change undoes what somebody's hand did to an attribute of the security set.
func (c *Change) drifted(rule Rule, a AttrChange) bool {
	return c.Security && rule.Security && a.Cause != ByFiles && a.From != ""
}

// seedName is what people call an attribute of the seed: "file /etc/motd" for "seed.file./etc/motd".
func seedName(attr string) string {
	name := strings.TrimPrefix(attr, "seed.")
	for _, kind := range []string{"file", "user"} {
		if rest, ok := strings.CutPrefix(name, kind+"."); ok {
			return kind + " " + rest
		}
	}
	return strings.ReplaceAll(name, "_", " ")
}

func attrAction(c Change, a AttrChange) Action {
	switch {
	case c.Action == Create || a.From == "":
		return Create
	case c.Action == Delete || a.To == "":
		return Delete
	}
	return Update
}

func values(c Change, a AttrChange) string {
	from, to := clean(a.From), clean(a.To)
	if a.Secret {
		from, to = hide(from), hide(to)
		if from == to {
			return "(sensitive, changed)"
		}
	}
	switch {
	case a.From == "":
		return to
	case a.To == "":
		return from
	}
	return from + " -> " + to
}

func hide(value string) string {
	if value == "" {
		return ""
	}
	return "(sensitive)"
}

// remark says what an attribute costs and who changed it, where that is not plain from the change.
func remark(c Change, a AttrChange) string {
	var parts []string
	if c.Action == Update || c.Action == Recreate {
		if a.Effect != Live {
			parts = append(parts, a.Effect.String())
		}
		switch a.Cause {
		case ByHand:
			parts = append(parts, "changed by hand")
		case ByBoth:
			parts = append(parts, "changed by hand and in the files")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "  # " + strings.Join(parts, ", ")
}

// clean makes text safe for a terminal: control characters and what turns the direction of text around are escaped.
func clean(text string) string {
	safe := func(r rune) bool { return unicode.IsPrint(r) }
	if strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if safe(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

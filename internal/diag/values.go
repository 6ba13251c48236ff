package diag

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// valueOf is what something in the expression of a diagnostic is worth.
type valueOf struct {
	Traversal string `json:"traversal"`
	Statement string `json:"statement"` // "is 3"
	text      string
}

// values returns the values of what the expression of a diagnostic refers to, sorted and without repetition. Values with
// marks, anywhere inside, are left out, and so are unknown ones.
func values(d *hcl.Diagnostic) []valueOf {
	if d.Expression == nil || d.EvalContext == nil || hidesSource(d) {
		return nil
	}
	var out []valueOf
	for _, traversal := range d.Expression.Variables() {
		v, diags := traversal.TraverseAbs(d.EvalContext)
		if diags.HasErrors() || v == cty.NilVal || v.ContainsMarked() || !v.IsWhollyKnown() {
			continue
		}
		text := show(v)
		out = append(out, valueOf{Traversal: escape(spell(traversal)), Statement: "is " + text, text: text})
	}
	slices.SortFunc(out, func(a, b valueOf) int { return strings.Compare(a.Traversal, b.Traversal) })
	return slices.Compact(out)
}

// spell writes a traversal the way it stands in a file.
func spell(traversal hcl.Traversal) string {
	var b strings.Builder
	for _, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			b.WriteString(step.Name)
		case hcl.TraverseAttr:
			b.WriteString("." + step.Name)
		case hcl.TraverseIndex:
			fmt.Fprintf(&b, "[%s]", show(step.Key))
		case hcl.TraverseSplat:
			b.WriteString("[*]")
		}
	}
	return b.String()
}

// show describes a known, unmarked value in a few words.
func show(v cty.Value) string {
	const most = 60
	t := v.Type()
	switch {
	case v.IsMarked() || !v.IsKnown():
		return "…"
	case v.IsNull():
		return "null"
	case t == cty.Bool:
		return strconv.FormatBool(v.True())
	case t == cty.Number:
		return v.AsBigFloat().Text('g', 10)
	case t == cty.String:
		s := v.AsString()
		if r := []rune(s); len(r) > most {
			s = string(r[:most]) + "…"
		}
		return strconv.Quote(s)
	case t.IsObjectType() || t.IsMapType():
		return count("an object with %s", v.LengthInt(), "attribute")
	case v.CanIterateElements():
		return count("a list with %s", v.LengthInt(), "element")
	}
	return "a value"
}

func count(format string, n int, noun string) string {
	switch n {
	case 0:
		noun = "no " + noun + "s"
	case 1:
		noun = "1 " + noun
	default:
		noun = strconv.Itoa(n) + " " + noun + "s"
	}
	return fmt.Sprintf(format, noun)
}

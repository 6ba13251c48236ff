package roles

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// origin marks what comes from an argument of a role block, so that a mistake that shows up later can be reported there.
type origin struct {
	argument string
	secret   bool // see Argument.Secret; then it marks a sensitive value, too
	at       hcl.Range
}

// spread marks all parts of a value: marks of a whole get lost when expressions walk through it. What is marked already
// stays so as a whole, too.
func spread(v cty.Value, marks cty.ValueMarks) cty.Value {
	v, own := v.Unmark()
	all := cty.ValueMarks{} // NewValueMarks of nothing is nil
	maps.Copy(all, marks)
	maps.Copy(all, own)
	t := v.Type()
	if !v.IsKnown() || v.IsNull() || !v.CanIterateElements() || t.IsSetType() || v.LengthInt() == 0 {
		return v.WithMarks(all)
	}
	if t.IsObjectType() || t.IsMapType() {
		parts := v.AsValueMap()
		for name, part := range parts {
			parts[name] = spread(part, all)
		}
		if t.IsObjectType() {
			return cty.ObjectVal(parts).WithMarks(own)
		}
		return cty.MapVal(parts).WithMarks(own)
	}
	parts := v.AsValueSlice()
	for i, part := range parts {
		parts[i] = spread(part, all)
	}
	if t.IsListType() {
		return cty.ListVal(parts).WithMarks(own)
	}
	return cty.TupleVal(parts).WithMarks(own)
}

// origins returns which arguments a value comes from, in the order of their places.
func origins(v cty.Value) []origin {
	_, marks := v.UnmarkDeep()
	var out []origin
	for mark := range marks {
		if o, ok := mark.(origin); ok {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b origin) int {
		return cmp.Or(cmp.Compare(a.at.Filename, b.at.Filename), cmp.Compare(a.at.Start.Byte, b.at.Start.Byte),
			cmp.Compare(a.argument, b.argument))
	})
	return out
}

// hides reports whether a mark says that a value is sensitive.
func hides(mark any) bool {
	o, ours := mark.(origin)
	return !ours || o.secret
}

// isSensitive reports whether any part of a value is sensitive.
func isSensitive(v cty.Value) bool {
	_, marks := v.UnmarkDeep()
	for mark := range marks {
		if hides(mark) {
			return true
		}
	}
	return false
}

// showable leaves only the marks of sensitive values, so that others can be shown.
func showable(v cty.Value) cty.Value {
	v, paths := v.UnmarkDeepWithPaths()
	for i := range paths {
		maps.DeleteFunc(paths[i].Marks, func(mark any, _ struct{}) bool { return !hides(mark) })
	}
	return v.MarkWithPaths(paths)
}

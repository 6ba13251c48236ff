package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// element is one string of a list.
type element struct {
	Text
	at hcl.Range
}

// elements returns the strings of a list, in its order, that pass the check; a set is sorted. Where sensitive values
// are fine, text may have several lines, too.
func (s *section) elements(name, noun string, sensitiveFine bool, c words.Check) []element {
	read := s.value
	if sensitiveFine {
		read = s.marked
	}
	value, ok := read(name)
	if !ok {
		return nil
	}
	whole := isSensitive(value) && value.IsMarked()
	value, _ = value.Unmark()
	if t := value.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		s.wrongType(name, noun, "a list. Put it in square brackets.", value)
		return nil
	}
	places, _ := hcl.ExprList(s.block.args[name].Expr)
	var out []element
	for it, i := value.ElementIterator(), 0; it.Next(); i++ {
		_, v := it.Element()
		at := s.at(name)
		if i < len(places) && len(places) == value.LengthInt() && !value.Type().IsSetType() {
			at = places[i].Range()
		}
		sensitive := whole || isSensitive(v)
		v, _ = v.UnmarkDeep()
		text, problem := checkElement(v, sensitiveFine, c)
		switch {
		case problem != "" && (sensitive || sensitiveFine):
			s.addHidden(at, "Invalid "+noun, "%s", problem)
		case problem != "":
			s.add(at, "Invalid "+noun, "%s", problem)
		default:
			out = append(out, element{Text{text, sensitive}, at})
		}
	}
	return out
}

func checkElement(v cty.Value, content bool, c words.Check) (text, problem string) {
	if v.IsNull() || v.Type() != cty.String {
		return "", "Every element of this list must be a string. Put it in quotes."
	}
	text = v.AsString()
	problem = words.CheckLine(text)
	if content {
		problem = checkContent(text)
	}
	if problem == "" && c != nil {
		problem = c(text)
	}
	return text, problem
}

// texts returns the strings of a list that pass the check. None may be there twice.
func (s *section) texts(name, noun string, c words.Check) []string {
	var out []string
	for _, e := range s.elements(name, noun, false, c) {
		if slices.Contains(out, e.Value) {
			s.add(e.at, "Invalid "+noun, "%s is in this list twice. Remove one.", words.Quote(e.Value))
			continue
		}
		out = append(out, e.Value)
	}
	return out
}

package roles

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

var allTypes = []Type{String, Text, Number, Bool, StringList, Network, Guest, PCI, OpenVPN}

// plain reports whether values of the type are checked here.
func (t Type) plain() bool {
	return t == String || t == Text || t == Number || t == Bool || t == StringList
}

// cty returns the type of plain values.
func (t Type) cty() cty.Type {
	switch t {
	case Number:
		return cty.Number
	case Bool:
		return cty.Bool
	case StringList:
		return cty.List(cty.String)
	}
	return cty.String
}

// check returns a plain value that is known and not null, with lists of one type, or what is wrong with it, in a sentence
// or two. It keeps marks and never repeats the value.
func (t Type) check(v cty.Value) (cty.Value, string) {
	if t == StringList {
		return checkList(v)
	}
	bare, _ := v.Unmark()
	switch {
	case bare.Type() != t.cty():
		return cty.DynamicVal, "Here stands " + words.Describe(bare.Type()) + ", but this must be " + t.words()
	case t == String && words.CheckLine(bare.AsString()) != "":
		return cty.DynamicVal, words.CheckLine(bare.AsString())
	case t == Text && checkText(bare.AsString()) != "":
		return cty.DynamicVal, checkText(bare.AsString())
	}
	return v, ""
}

func checkList(v cty.Value) (cty.Value, string) {
	bare, marks := v.Unmark()
	if t := bare.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		return cty.DynamicVal, "Here stands " + words.Describe(t) + ", but this must be " + StringList.words()
	}
	elements := bare.AsValueSlice()
	for _, element := range elements {
		element, _ := element.Unmark()
		if element.IsNull() || element.Type() != cty.String {
			return cty.DynamicVal, "Every element of this list must be a string. Put it in quotes."
		}
		if text := words.CheckLine(element.AsString()); text != "" {
			return cty.DynamicVal, text
		}
	}
	if len(elements) == 0 {
		return cty.ListValEmpty(cty.String).WithMarks(marks), ""
	}
	return cty.ListVal(elements).WithMarks(marks), ""
}

// words says what a plain value is, and how to write it.
func (t Type) words() string {
	switch t {
	case Number:
		return "a number, without quotes."
	case Bool:
		return "true or false, without quotes."
	case StringList:
		return "a list of strings. Put it in square brackets."
	}
	return "a string. Put it in quotes."
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

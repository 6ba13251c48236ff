package config

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// section reads the arguments of one block in one scope. Its methods report what is wrong with an argument and then
// return its default.
//
// HCL and cty convert freely: a number is a string, "true" is a boolean. Nothing here converts, since memory = 1 is a
// mistake and not one byte.
type section struct {
	*loader
	block *block
	scope *scope
}

func (l *loader) section(b *block, sc *scope) *section { return &section{l, b, sc} }

// has reports whether the argument is written, be it as null.
func (s *section) has(name string) bool { return s.block.args[name] != nil }

// at returns the place of the value of an argument; of the block when it is not written.
func (s *section) at(name string) hcl.Range {
	if attr := s.block.args[name]; attr != nil {
		return attr.Expr.Range()
	}
	return s.block.at
}

// marked returns the value of an argument with its marks. Not ok means that there is nothing to decode: it is not
// written, null, or went wrong.
func (s *section) marked(name string) (value cty.Value, ok bool) {
	attr := s.block.args[name]
	required := slices.Contains(s.block.schema.required, name)
	if attr == nil {
		s.incomplete = s.incomplete || required // which has been reported
		return cty.NilVal, false
	}
	before := len(s.diags)
	value = s.evaluate(attr.Expr, s.scope)
	s.conceal(name, before)
	if value.IsNull() {
		if required || name == "for_each" || slices.Contains(s.block.schema.choice, name) {
			s.add(s.at(name), "Missing required argument", "The argument %q of the block %s cannot be null. Give it a value.",
				name, s.block)
		}
		return cty.NilVal, false
	}
	if !value.IsWhollyKnown() {
		s.incomplete = true
		return cty.NilVal, false
	}
	return value, true
}

// value is marked for arguments that are shown, so that they cannot be sensitive.
func (s *section) value(name string) (cty.Value, bool) {
	value, ok := s.marked(name)
	if ok && isSensitive(value) {
		s.refuseSensitive(name)
		return cty.NilVal, false
	}
	if ok {
		value, _ = value.UnmarkDeep()
	}
	return value, ok
}

// refuseSensitive reports an argument that cannot be sensitive and is.
func (s *section) refuseSensitive(name string) {
	s.add(s.block.args[name].NameRange, "Sensitive value in a wrong place",
		"The value of %q is sensitive, but this argument is shown in plans and kept on the host. %s", name, sensitiveHelp)
}

// wrongType reports an argument of a wrong type and says what to write.
func (s *section) wrongType(name, noun, want string, got cty.Value) {
	s.add(s.at(name), "Invalid "+noun, "Here stands %s, but this must be %s", words.Describe(got.Type()), want)
	s.conceal(name, len(s.diags)-1)
}

// conceal hides the source of the diagnostics from an index on, if they are about an argument whose text is a secret
// even when it is written into the files: a password, or a private key where a public one belongs.
func (s *section) conceal(name string, from int) {
	if name == "password" || name == "hashed_password" || name == "ssh_keys" {
		s.concealFrom(from)
	}
}

// concealFrom hides the source of the diagnostics from an index on, and what they repeat of it.
func (s *section) concealFrom(from int) {
	for _, diag := range s.diags[from:] {
		diag.Extra = words.Hidden{}
		switch {
		case diag.Summary == "Unknown reference" && !strings.HasPrefix(diag.Detail, "There is no "):
			diag.Detail = "This refers to nothing. Write text in quotes, or a reference like var.NAME."
		case diag.Summary == "Invalid function argument" || diag.Summary == "Error in function call":
			diag.Detail = "A function does not take these arguments. What it says is not shown, because this may be a secret. Correct them."
		}
	}
}

// oneOf makes a check that accepts the words alone.
func oneOf(choices ...string) words.Check {
	return func(s string) string {
		if slices.Contains(choices, s) {
			return ""
		}
		if len(choices) == 1 {
			return words.Quote(s) + " is not possible here. Write " + words.Quote(choices[0]) + "."
		}
		return words.Quote(s) + " is none of " + words.And(words.Quoted(choices)) + "." + words.DidYouMean(s, choices, " Choose one of them.")
	}
}

// text returns a string without control characters that passes the checks.
func (s *section) text(name, noun, def string, checks ...words.Check) string {
	value, ok := s.value(name)
	if !ok {
		return def
	}
	if value.Type() != cty.String {
		s.wrongType(name, noun, "a string. Put it in quotes.", value)
		return def
	}
	if text := words.CheckLine(value.AsString()); text != "" {
		s.add(s.at(name), "Invalid "+noun, "%s", text)
		return def
	}
	for _, c := range checks {
		if text := c(value.AsString()); text != "" {
			s.add(s.at(name), "Invalid "+noun, "%s", text)
			return def
		}
	}
	return value.AsString()
}

// secret returns a string that may be sensitive and may have several lines.
func (s *section) secret(name, noun string) (Text, bool) {
	value, ok := s.marked(name)
	if !ok {
		return Text{}, false
	}
	sensitive := isSensitive(value)
	value, _ = value.UnmarkDeep()
	if value.Type() != cty.String {
		s.wrongType(name, noun, "a string. Put it in quotes.", value)
		return Text{}, false
	}
	if text := checkContent(value.AsString()); text != "" {
		s.addHidden(s.at(name), "Invalid "+noun, "%s", text)
		return Text{}, false
	}
	return Text{value.AsString(), sensitive}, true
}

func (s *section) flag(name string, def bool) bool {
	value, ok := s.value(name)
	if !ok {
		return def
	}
	if value.Type() != cty.Bool {
		s.wrongType(name, "value of "+name, "true or false, without quotes.", value)
		return def
	}
	return value.True()
}

func (s *section) integer(name, noun string, def, least, most int) int {
	value, ok := s.value(name)
	if !ok {
		return def
	}
	if value.Type() != cty.Number {
		s.wrongType(name, noun, "a whole number, without quotes.", value)
		return def
	}
	n, accuracy := value.AsBigFloat().Int64()
	if accuracy != big.Exact || n < int64(least) || n > int64(most) {
		s.add(s.at(name), "Invalid "+noun, "%s is no whole number from %d to %d. Write one that is.",
			value.AsBigFloat().Text('g', 10), least, most)
		return def
	}
	return int(n)
}

// size returns a number of bytes within the bounds that is a multiple of unit.
func (s *section) size(name, noun string, def, least, most, unit int64) int64 {
	value, ok := s.value(name)
	if !ok {
		return def
	}
	if value.Type() != cty.String {
		s.wrongType(name, noun, `a size: a string with a binary unit, like "512MiB" or "20GiB".`, value)
		return def
	}
	n, err := ParseSize(value.AsString())
	switch {
	case err != nil:
		s.add(s.at(name), "Invalid "+noun, `%s. Write a size like "512MiB" or "20GiB".`, err)
		return def
	case n < least || n > most:
		s.add(s.at(name), "Invalid "+noun, "%s is not between %s and %s. Write a size that is.",
			value.AsString(), FormatSize(least), FormatSize(most))
		return def
	case n%unit != 0:
		s.add(s.at(name), "Invalid "+noun, "%s is no multiple of %s. Write %s or %s.",
			value.AsString(), FormatSize(unit), FormatSize(n-n%unit), FormatSize(n-n%unit+unit))
		return def
	}
	return n
}

func (s *section) duration(name, noun string, def time.Duration) time.Duration {
	value, ok := s.value(name)
	if !ok {
		return def
	}
	if value.Type() != cty.String {
		s.wrongType(name, noun, `a string with a unit, like "90s" or "10m".`, value)
		return def
	}
	const most = 24 * time.Hour
	d, err := time.ParseDuration(value.AsString())
	if err != nil || d <= 0 || d > most {
		s.add(s.at(name), "Invalid "+noun, `%s is no time between 0 and 24h. Write one with a unit, like "90s" or "10m".`,
			words.Quote(value.AsString()))
		return def
	}
	return d
}

// checkContent refuses control characters that no text file holds. It never repeats the text.
func checkContent(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f }) {
		return "This text holds NUL or another control character. Remove it; for binary files use source."
	}
	return ""
}

// Package escape writes values into the text formats of other programs.
//
// Each format has one function. It returns the text that stands for exactly the given string at the place where the
// format takes a value, quotes included where it needs them. A string that the format cannot hold, or that one of its
// readers would change, is refused. The error is a clause in lower case that says what the value must not hold, and
// never has the value in it, which may be a secret.
//
// The functions are pure. They know nothing of what a value means: whether an address is an address is for the caller
// to check.
package escape

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// text refuses what is no single line of text in UTF-8: no format but the shell's has a sure way to hold it.
func text(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("it must be valid UTF-8")
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return errors.New("it must not hold line breaks, tabs or other control characters")
		}
	}
	return nil
}

// value is text that is not empty, either: many settings take an empty value as the word to forget what they had.
func value(s string) error {
	if s == "" {
		return errors.New("it must not be empty")
	}
	return text(s)
}

// padded tells whether s begins or ends with a blank, which readers cut off.
func padded(s string) bool {
	return s != "" && (s[0] == ' ' || s[len(s)-1] == ' ')
}

// printable tells whether s is made of printable ASCII characters only, blanks among them.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

//go:build lab

package main_test

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// screen is as much of a terminal (ECMA-48) as jeos and a guest's login need: lines of single-width characters that are
// never lost, and a cursor.
type screen struct {
	width        int
	lines        [][]rune
	line, column int
	rest         []byte // the beginning of a sequence or of a character
}

// control is a control sequence, or the beginning of one.
var control = regexp.MustCompile(`^\x1b(?:\[([0-9;?]*)([@-~])?)?`)

func (s *screen) write(data []byte) {
	s.rest = append(s.rest, data...)
	for len(s.rest) > 0 {
		if s.rest[0] == '\x1b' {
			m := control.FindSubmatch(s.rest)
			if len(m[2]) == 0 && len(m[0]) == len(s.rest) {
				return // the rest is to come
			}
			s.control(string(m[1]), string(m[2]))
			s.rest = s.rest[len(m[0]):]
			continue
		}
		if !utf8.FullRune(s.rest) {
			return
		}
		r, n := utf8.DecodeRune(s.rest)
		s.rest = s.rest[n:]
		s.put(r)
	}
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.column = 0
		return
	case '\n':
		s.line++
		return
	case '\b':
		s.column = max(0, s.column-1)
		return
	case '\a':
		return
	}
	if s.column >= s.width {
		s.line, s.column = s.line+1, 0
	}
	for len(s.lines) <= s.line {
		s.lines = append(s.lines, nil)
	}
	for len(s.lines[s.line]) <= s.column {
		s.lines[s.line] = append(s.lines[s.line], ' ')
	}
	s.lines[s.line][s.column] = r
	s.column++
}

// control obeys a control sequence. Those that do not change what can be read have no effect.
func (s *screen) control(parameters, final string) {
	n, _ := strconv.Atoi(parameters)
	switch {
	case final == "A": // up
		s.line = max(0, s.line-max(1, n))
	case final == "J" && n == 0: // erase to the end of the screen
		s.erase(s.line)
		s.lines = s.lines[:min(len(s.lines), s.line+1)]
	case final == "K" && n == 0: // erase to the end of the line
		s.erase(s.line)
	}
}

// erase empties a line from the cursor on.
func (s *screen) erase(line int) {
	if line < len(s.lines) {
		s.lines[line] = s.lines[line][:min(len(s.lines[line]), s.column)]
	}
}

func (s *screen) String() string {
	var out []string
	for _, line := range s.lines {
		out = append(out, strings.TrimRight(string(line), " "))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

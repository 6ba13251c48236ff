package escape_test

import (
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The readers of this file are written from the manual pages and the programs' behaviour, not from the writers. Each
// returns the value that a text stands for, and false where the program would find an error or anything more.

// readShell splits by the quoting rules of POSIX: outside of quotes only backslashes and quotes are known to it.
func readShell(text string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(text); {
		switch text[i] {
		case '\'':
			end := strings.IndexByte(text[i+1:], '\'')
			if end < 0 {
				return "", false
			}
			out.WriteString(text[i+1 : i+1+end])
			i += end + 2
		case '\\':
			if i+1 == len(text) {
				return "", false
			}
			out.WriteByte(text[i+1])
			i += 2
		default:
			return "", false
		}
	}
	return out.String(), true
}

// line reads a line key=value: blanks around the value go, and a line break would end it.
func line(text string) (string, bool) {
	return strings.Trim(text, " \t\r\v\f"), !strings.ContainsAny(text, "\n\x00") && utf8.ValidString(text)
}

// readINI takes what systemd and GLib agree on: no specifier, quote, escape or separator may be seen.
func readINI(text string) (string, bool) {
	s, ok := line(text)
	return s, ok && s != "" && !strings.ContainsAny(s, `\"'%;$`)
}

func readKeyfile(text string) (string, bool) {
	s, ok := line(text)
	if !ok || regexp.MustCompile(`^[0-9 ]*;[0-9; ]*; *$|^[0-9 ]+; *$`).MatchString(s) {
		return "", false
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		plain, known := map[byte]byte{'s': ' ', 'n': '\n', 't': '\t', 'r': '\r', '\\': '\\'}[s[i]]
		if !known {
			return "", false
		}
		out.WriteByte(plain)
	}
	// An SSID is unescaped once more.
	return strings.ReplaceAll(out.String(), `\;`, ";"), true
}

// readUnit reads one word in double quotes: C escapes first, then specifiers and variables.
func readUnit(text string) (string, bool) {
	inner, ok := strings.CutPrefix(text, `"`)
	if !ok || strings.Contains(text, "\n") {
		return "", false
	}
	var word strings.Builder
	for {
		if inner == `"` {
			break
		}
		if inner == "" || inner[0] == '"' {
			return "", false
		}
		r, multibyte, tail, err := strconv.UnquoteChar(inner, '"')
		if err != nil {
			return "", false
		}
		if multibyte || r < utf8.RuneSelf {
			word.WriteRune(r)
		} else {
			word.WriteByte(byte(r))
		}
		inner = tail
	}
	return undouble(word.String(), "%$")
}

// undouble makes one of each doubled character, and returns false where one stands alone.
func undouble(s, chars string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(chars, s[i]) >= 0 {
			if i+1 == len(s) || s[i+1] != s[i] {
				return "", false
			}
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String(), true
}

var nftString = regexp.MustCompile(`^"([^"\\\n]*[^"\\\n*])"$`)

func readNFT(text string) (string, bool) {
	m := nftString.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// readOpenVPN reads a line "directive text" as OpenVPN's parser does, a byte at a time.
func readOpenVPN(text string) (string, bool) {
	if len("verify-x509-name "+text+"\n") > 255 || strings.ContainsAny(text, "\n\x00") {
		return "", false
	}
	var words []string
	var word strings.Builder
	const outside, bare, double, single = 0, 1, 2, 3
	state, backslash := outside, false
	for i := 0; i <= len(text); i++ {
		c := byte(0)
		if i < len(text) {
			c = text[i]
		}
		space := c == 0 || strings.IndexByte(" \t\v\f\r", c) >= 0
		if c == '\\' && !backslash && state != single {
			backslash = true
			continue
		}
		done, keep := false, false
		switch {
		case state == outside && !backslash && c == '"':
			state = double
		case state == outside && !backslash && c == '\'':
			state = single
		case state == outside && (c == '#' || c == ';'):
			return words0(words)
		case state == outside && !space:
			state, keep = bare, true
		case state == bare && space && !backslash, state == double && c == '"' && !backslash, state == single && c == '\'':
			done = true
		case state != outside:
			keep = true
		}
		if keep && c == 0 || keep && backslash && c != '\\' && c != '"' && !space {
			return "", false
		}
		if keep {
			word.WriteByte(c)
		}
		if done {
			words, state = append(words, word.String()), outside
			word.Reset()
		}
		backslash = false
	}
	return words0(words)
}

func words0(words []string) (string, bool) {
	if len(words) != 1 {
		return "", false
	}
	return words[0], true
}

// readWPA reads a string field: to the last double quote of the line, or hexadecimal.
func readWPA(text string) (string, bool) {
	if rest, ok := strings.CutPrefix(text, `"`); ok {
		end := strings.LastIndexByte(rest, '"')
		return strings.TrimSuffix(rest, `"`), end == len(rest)-1 && !strings.Contains(text, "\n")
	}
	decoded, err := hex.DecodeString(text)
	return string(decoded), err == nil && len(decoded) > 0
}

// readPSK reads a passphrase as a string field in quotes, and leaves a key as it is.
func readPSK(text string) (string, bool) {
	if strings.HasPrefix(text, `"`) {
		s, ok := readWPA(text)
		return s, ok && len(s) >= 8 && len(s) <= 63
	}
	_, err := hex.DecodeString(text)
	return text, err == nil && len(text) == 64
}

// readDnsmasq undoes the quotes; outside of them a comma ends the value, and a # after a blank the line.
func readDnsmasq(text string) (string, bool) {
	if len(text) > 1000 || strings.Contains(text, "\n") {
		return "", false
	}
	rest, quoted := strings.CutPrefix(text, `"`)
	if !quoted {
		return text, text != "" && !strings.ContainsAny(text, `,"# \`)
	}
	var out strings.Builder
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '"':
			return out.String(), i == len(rest)-1
		case rest[i] == '\\' && i+1 < len(rest) && strings.IndexByte(`"\`, rest[i+1]) >= 0:
			i++
			out.WriteByte(rest[i])
		case rest[i] == '\\' && i+1 < len(rest) && strings.IndexByte("tnebr", rest[i+1]) >= 0:
			return "", false // escapes that are never needed
		default:
			out.WriteByte(rest[i])
		}
	}
	return "", false
}

// readWicd is RawConfigParser's way with a value, then wicd's own. Python's int takes blanks around digits.
func readWicd(text string) (string, bool) {
	s, ok := line(text)
	if !ok {
		return "", false
	}
	if at := strings.Index(s, ";"); at == 0 || at > 0 && s[at-1] == ' ' {
		return "", false
	}
	if s == `""` {
		s = ""
	}
	if strings.HasPrefix(s, "`'`") && strings.HasSuffix(s, "`'`") {
		s = s[3:max(3, len(s)-3)]
	}
	if _, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil && strings.Trim(strings.TrimSpace(s), "+-0123456789") == "" {
		return "", false
	}
	switch s {
	case "", "None", "True", "False":
		return "", false
	}
	return s, true
}

package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"jeos/internal/openvpn"
	"jeos/internal/words"
)

// profile reads the OpenVPN profile whose path an argument gives. It is cty.DynamicVal when it cannot be used.
func (s *section) profile(arg string) cty.Value {
	name := s.text(arg, "path of an OpenVPN profile", "", checkLocal("an .ovpn file"))
	if name == "" {
		s.incomplete = true
		return cty.DynamicVal
	}
	path := s.path(name)
	text, err := readFile(path, name, openvpn.MaxSize)
	if err != nil {
		s.add(s.at(arg), "Invalid OpenVPN profile", "The file cannot be used: %s. Name the .ovpn file that the provider hands out; relative paths start at the folder of the site.", err)
		return cty.DynamicVal
	}
	p, notices, problems := openvpn.Parse(text, func(side string) ([]byte, error) {
		return readBeside(filepath.Dir(path), side, openvpn.MaxSize)
	})
	for _, problem := range problems {
		s.add(s.at(arg), "Invalid OpenVPN profile", "%s: %s", inProfile(name, problem.Line, problem.Directive), problem.Reason)
	}
	for _, notice := range notices {
		if notice.Routine {
			s.notice(Notice{name, notice.Line, notice.Directive, notice.Reason})
		} else {
			s.warn(s.at(arg), "OpenVPN profile is not used as it is", "%s: %s", inProfile(name, notice.Line, notice.Directive), notice.Reason)
		}
	}
	if p == nil {
		return cty.DynamicVal
	}
	if kept := strings.Join([]string{p.Settings, p.Username, p.Password}, "\n"); words.CheckNormal(kept) != "" {
		s.add(s.at(arg), "Invalid OpenVPN profile", "%s: A value in it is not in Unicode's normal form C (NFC), the only one that jeos keeps. Write it in"+
			" that form, as \"uconv -x nfc\" does, or have the provider change it.", inProfile(name, notNormal(text, kept), ""))
		return cty.DynamicVal
	}
	return profileValue(p)
}

// notNormal returns the number of the first line with a word that is kept and not in normal form C; 0 when there is none.
func notNormal(text []byte, kept string) int {
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(word, "#") || strings.HasPrefix(word, ";") {
				break
			}
			if words.CheckNormal(word) != "" && strings.Contains(kept, strings.Trim(word, `"'`)) {
				return number
			}
		}
	}
	return 0
}

// inProfile names a place in a profile: `"client.ovpn", line 7, up`.
func inProfile(name string, line int, directive string) string {
	text := words.Quote(name)
	if line > 0 {
		text += fmt.Sprintf(", line %d", line)
	}
	if directive != "" {
		text += ", " + directive
	}
	return text
}

// profileValue is what a role gets to know of a profile. See roles.OpenVPN.
func profileValue(p *openvpn.Profile) cty.Value {
	var remotes []cty.Value
	for _, r := range p.Remotes {
		remotes = append(remotes, cty.ObjectVal(map[string]cty.Value{
			"host":  cty.StringVal(r.Host),
			"port":  cty.NumberUIntVal(uint64(r.Port)),
			"proto": cty.StringVal(r.Proto),
		}))
	}
	username, password := cty.NullVal(cty.String), cty.NullVal(cty.String)
	if p.Username != "" {
		username, password = cty.StringVal(p.Username), cty.StringVal(p.Password)
	}
	return cty.ObjectVal(map[string]cty.Value{
		"remotes":           cty.ListVal(remotes),
		"settings":          cty.StringVal(p.Settings).Mark(sensitiveMark{}),
		"needs_credentials": cty.BoolVal(p.NeedsCredentials),
		"username":          username.Mark(sensitiveMark{}),
		"password":          password.Mark(sensitiveMark{}),
	})
}

package builders

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"jeos/internal/config"
)

// Where a guest keeps what its role brings beside its files. The report service runs the guard and the probes, and
// guest/role.sh the lines to apply, in the order of their names.
const (
	guardPath    = "/usr/local/lib/jeos/guard"
	probesFolder = "/usr/local/lib/jeos/probes/"
	applyFolder  = "/usr/local/lib/jeos/apply/"
)

// roleEnd ends the script of a role inside the boot script. No line of such a script is like it.
const roleEnd = "JEOS ROLE"

// rolePart returns the commands of the boot script that make a guest what its role says. Those for a guest without one
// undo what an earlier role has left.
func rolePart(r *config.Role) string {
	if !acts(r) {
		r = &config.Role{}
	}
	return fmt.Sprintf("role %s <<'%s'\n%s%s\n", shellWord(r.Name), roleEnd, roleScript(r), roleEnd)
}

// acts reports whether a role does anything inside the guest.
func acts(r *config.Role) bool {
	return r != nil && len(roleFiles(r))+len(r.Enable)+len(r.Disable) > 0
}

// roleScript returns the script that makes a guest what its role says.
func roleScript(r *config.Role) string {
	var b strings.Builder
	b.WriteString(guestFile("role.sh"))
	secret := ""
	if isSecret(r) {
		secret = "yes"
	}
	fmt.Fprintf(&b, "role=%s\nsecret=%s\nbegin\n", shellWord(r.Name), secret)
	files := roleFiles(r)
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	writeWanted(&b, "files", paths)
	writeWanted(&b, "enable", r.Enable)
	writeWanted(&b, "disable", r.Disable)
	b.WriteString("retire\n")
	for _, f := range files {
		fmt.Fprintf(&b, "file %s %o %s <<'JEOS'\n", shellWord(f.Path), f.Mode, shellWord(f.Owner))
		for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(f.Content)), 76) {
			b.Write(append(line, '\n'))
		}
		b.WriteString("JEOS\n")
	}
	b.WriteString("finish\n")
	return b.String()
}

func writeWanted(b *strings.Builder, list string, names []string) {
	fmt.Fprintf(b, "wanted %s <<'JEOS'\n", list)
	for _, name := range names {
		b.WriteString(name + "\n")
	}
	b.WriteString("JEOS\n")
}

// roleFiles returns all files that a role brings, in the order in which they are written.
func roleFiles(r *config.Role) []config.File {
	files := slices.Clone(r.Files)
	add := func(path, line string) {
		files = append(files, config.File{Path: path, Content: []byte("#!/bin/sh\n" + line + "\n"), Mode: 0o755, Owner: "root:root"})
	}
	for i, line := range r.Apply {
		add(fmt.Sprintf("%s%03d", applyFolder, i+1), line)
	}
	if r.Guard != "" {
		add(guardPath, r.Guard)
	}
	for _, p := range r.Probes {
		add(probesFolder+p.Name, p.Command)
	}
	return files
}

func isSecret(r *config.Role) bool {
	return slices.ContainsFunc(r.Files, func(f config.File) bool { return f.Sensitive })
}

// enacted is what seed.role says of a role: all that it does inside the guest. How the guest is told may change with jeos;
// this may not.
type enacted struct {
	Files                  []config.File
	Enable, Disable, Apply []string
	Guard                  string
	Probes                 []config.Probe
}

func enact(r *config.Role) enacted {
	e := enacted{
		Enable: append([]string{}, r.Enable...), Disable: append([]string{}, r.Disable...), Apply: append([]string{}, r.Apply...),
		Files: append([]config.File{}, r.Files...), Probes: append([]config.Probe{}, r.Probes...), Guard: r.Guard,
	}
	for i := range e.Files {
		e.Files[i].Origin = ""
	}
	return e
}

// shellWord returns a word of sh(1) that stands for exactly s.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

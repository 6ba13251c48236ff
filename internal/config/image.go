package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var checksumRE = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)

// loadImage reads an image block and looks at its file. It returns what image.<name> is worth.
func (l *loader) loadImage(b *block) cty.Value {
	s := l.section(b, scopeSite)
	source := s.text("source", "image source", "", checkLocal("an image file"))
	checksum := s.text("checksum", "checksum", "", matching(checksumRE, "checksum",
		`Write "sha256:" and 64 hex digits, as sha256sum prints them.`))
	if source == "" {
		return cty.DynamicVal
	}
	if l.opt.Image == nil {
		panic("config.Options.Image is nil")
	}
	path := l.path(source)
	file, err := l.opt.Image(path)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		l.add(s.at("source"), "Invalid image", "The image cannot be used: %s. Correct the path; relative ones start at the folder of"+
			" the site.", fileError(source, err))
		return cty.DynamicVal
	}
	if err != nil {
		l.add(s.at("source"), "Invalid image", "The image %s cannot be used: %s.", quote(source), strings.TrimSuffix(err.Error(), "."))
		return cty.DynamicVal
	}
	if want := strings.ToLower(strings.TrimPrefix(checksum, "sha256:")); want != "" && want != file.SHA256 {
		l.add(s.at("checksum"), "Checksum mismatch", "The file %s has another checksum:\n\n    wanted  sha256:%s\n    found   sha256:%s\n\n"+
			"Fetch the file again, or correct the checksum if the new file is the one you trust.", quote(source), want, file.SHA256)
		return cty.DynamicVal
	}
	l.images[b.name] = &Image{
		Name:     b.name,
		Path:     path,
		Format:   file.Format,
		SHA256:   file.SHA256,
		Size:     file.Size,
		FileSize: file.FileSize,
		Origin:   origin(b.at),
	}
	return cty.ObjectVal(map[string]cty.Value{
		"name":   cty.StringVal(b.name),
		"sha256": cty.StringVal(file.SHA256),
		"size":   cty.NumberIntVal(file.Size),
	})
}

// checkLocal makes a check for the path of what is named by noun.
func checkLocal(noun string) check {
	return func(s string) string {
		if s == "" {
			return "The path is empty. Write the path of " + noun + "."
		}
		if strings.Contains(s, "://") {
			return quote(s) + " is a URL, and this must be the path of " + noun + ". Fetch the file and write its path."
		}
		return ""
	}
}

// path makes a path of the files absolute: "~/" is the home folder, and relative paths start at the site's folder.
func (l *loader) path(p string) string {
	switch {
	case p == "~" || strings.HasPrefix(p, "~/"):
		return filepath.Join(l.opt.Home, p[1:])
	case filepath.IsAbs(p):
		return filepath.Clean(p)
	}
	return filepath.Join(l.dir, p)
}

package config

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

var checksumRE = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)

// architectures are those that guests and images can have.
var architectures = []string{"x86_64", "aarch64"}

// imageIdentity are the arguments that decide what image.<name> is worth. The rest of the block is read when everything
// can be referred to.
var imageIdentity = []string{"source", "release", "base", "checksum", "keyring", "flavour", "arch", "mirror"}

// goesWith says which of source, release and base an argument or block of an image goes with; others go with all.
var goesWith = map[string][]string{
	"checksum": {"source"}, "keyring": {"source", "release"},
	"flavour": {"release"}, "arch": {"source", "release"}, "mirror": {"release"},
	"packages": {"base"}, "remove_packages": {"base"}, "run": {"base"}, "kernel": {"base"}, "agent": {"base"},
	"apt": {"base"}, "file": {"base"}, "bake": {"base"},
}

// loadImage reads the identity of an image block and looks at its file. It returns what image.<name> is worth.
func (l *loader) loadImage(b *block) cty.Value {
	s := l.section(b, scopeSite)
	before := len(l.diags)
	var img *Image
	ok := l.intact(func() {
		switch form := s.imageForm(); {
		case form == "base":
			img = s.bakedImage()
		case form == "release":
			img = s.requestedImage(ImageRequest{Release: s.text("release", "release", "", words.Matching(releaseRE, "release",
				`Write the code name of one in small letters, like "noble".`))})
		case form == "source":
			if img = s.sourceImage(); img != nil {
				img.Arch = s.text("arch", "arch", "", oneOf(architectures...))
			}
		}
	})
	if !ok && l.locking && b.args["base"] == nil {
		l.unasked = append(l.unasked, b.name)
	}
	if l.locking && !l.diags[before:].HasErrors() {
		return cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(b.name), "size": cty.UnknownVal(cty.Number), "sha256": cty.UnknownVal(cty.String),
		})
	}
	if img == nil || !ok {
		l.incomplete = true // a default that stood in for something wrong must not be looked at
		return cty.DynamicVal
	}
	img.Name, img.Origin = b.name, origin(b.at)
	l.images[b.name] = img
	value := map[string]cty.Value{"name": cty.StringVal(b.name), "size": cty.NumberIntVal(img.Size)}
	if img.SHA256 != "" {
		value["sha256"] = cty.StringVal(img.SHA256)
	}
	return cty.ObjectVal(value)
}

// imageForm returns which of source, release and base the image has, and checks that the rest goes with it. It returns ""
// when that cannot be told.
func (s *section) imageForm() string {
	choice := s.block.schema.choice
	written := slices.DeleteFunc(slices.Clone(choice), func(name string) bool { return !s.has(name) })
	switch {
	case len(written) == 0 && s.block.faulty:
		return "" // it is probably there under another name
	case len(written) == 0:
		s.add(s.block.at, "Invalid image", "An image comes from a source, which is a path or a URL, from a release, or from a base and what is"+
			" baked into that. Write one of these three arguments.")
		return ""
	case len(written) > 1:
		s.add(s.block.args[written[1]].NameRange, "Invalid image", "An image has only one of %s. Remove the others.", words.And(choice))
		return ""
	}
	form := written[0]
	misplaced := func(at hcl.Range, name string) {
		if with := goesWith[name]; with != nil && !slices.Contains(with, form) {
			s.add(at, "Misplaced argument", "%s goes with %s, and this image has a %s. Remove %s.", name, strings.Join(with, " or "), form, name)
		}
	}
	for _, name := range sortedKeys(s.block.args) {
		misplaced(s.block.args[name].NameRange, name)
	}
	for _, kind := range sortedKeys(s.block.parts) {
		misplaced(s.block.parts[kind][0].at, kind)
	}
	return form
}

// sourceImage reads an image that the source names by its path or URL.
func (s *section) sourceImage() *Image {
	source := s.text("source", "image source", "", func(source string) string {
		if strings.Contains(source, "://") {
			return checkFileURL(source)
		}
		return checkLocal("an image file")(source)
	})
	checksum := s.checksum()
	if strings.Contains(source, "://") {
		return s.requestedImage(ImageRequest{URL: source, SHA256: checksum})
	}
	if s.has("keyring") {
		s.add(s.block.args["keyring"].NameRange, "Misplaced argument", "keyring goes with a release, or with a source that is a URL. Remove keyring.")
	}
	return s.localImage(source, checksum)
}

// localImage looks at an image file.
func (s *section) localImage(source, checksum string) *Image {
	if source == "" || s.locking {
		return nil
	}
	if s.opt.Image == nil {
		panic("config.Options.Image is nil")
	}
	path := s.path(source)
	file, err := s.opt.Image(path)
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		s.add(s.at("source"), "Invalid image", "The image cannot be used: %s. Correct the path; relative ones start at the folder of"+
			" the site.", fileError(source, err))
		return nil
	}
	if err != nil {
		s.add(s.at("source"), "Invalid image", "The image %s cannot be used: %s.", words.Quote(source), strings.TrimSuffix(err.Error(), "."))
		return nil
	}
	if checksum != "" && checksum != file.SHA256 {
		s.add(s.at("checksum"), "Checksum mismatch", "The file %s has another checksum:\n\n    wanted  sha256:%s\n    found   sha256:%s\n\n"+
			"Fetch the file again, or correct the checksum if the new file is the one you trust.", words.Quote(source), checksum, file.SHA256)
		return nil
	}
	return &Image{Path: path, Format: file.Format, SHA256: file.SHA256, Size: file.Size, FileSize: file.FileSize}
}

// releaseOf returns the codename of the system in the image that an argument refers to; "" when the files do not say. It
// needs nothing but the name of the image.
func (s *section) releaseOf(arg string) string {
	attr := s.block.args[arg]
	if attr == nil {
		return ""
	}
	value, _ := s.evaluate(attr.Expr, s.scope).UnmarkDeep()
	if t := value.Type(); !value.IsKnown() || value.IsNull() || !t.IsObjectType() && !t.IsMapType() {
		return ""
	}
	name, ok := value.AsValueMap()["name"]
	if !ok || name.Type() != cty.String || name.IsNull() || !name.IsKnown() {
		return ""
	}
	return s.releases[name.AsString()]
}

// checksum returns the lower-case hex digits of the checksum argument, or "".
func (s *section) checksum() string {
	text := s.text("checksum", "checksum", "", words.Matching(checksumRE, "checksum",
		`Write "sha256:" and 64 hex digits, as sha256sum prints them.`))
	return strings.ToLower(strings.TrimPrefix(text, "sha256:"))
}

// imageReference reads an argument that refers to an image; nil when there is none or it is wrong.
func (s *section) imageReference(arg string) *Image {
	value, ok := s.value(arg)
	if !ok {
		return nil
	}
	file, isFile := referenceName(value, "name", "sha256", "size")
	baked, isBaked := referenceName(value, "name", "size")
	if img := s.images[cmp.Or(file, baked)]; (isFile || isBaked) && img != nil {
		return img
	}
	s.wrongReference(arg, "image", value)
	return nil
}

// loadImageBodies reads what nothing refers to in image blocks, when addresses are assigned.
func (l *loader) loadImageBodies() {
	for _, name := range sortedKeys(l.blocks["image"]) {
		s := l.section(l.blocks["image"][name], scopeSite)
		img := l.images[name]
		if img == nil && s.has("base") {
			img = &Image{Name: name, Bake: &Bake{}} // for the other mistakes in it
		}
		l.vague[name] = !l.intact(func() {
			l.provides[name] = s.texts("provides", "package name", words.CheckPackage)
			if img != nil && img.Bake != nil {
				s.loadBake(img)
			}
		})
	}
	l.placeBakes()
}

// checkLocal makes a check for the path of what is named by noun.
func checkLocal(noun string) words.Check {
	return func(s string) string {
		if s == "" {
			return "The path is empty. Write the path of " + noun + "."
		}
		if strings.Contains(s, "://") {
			return quoteURL(s) + " is a URL, and this must be the path of " + noun + ". Fetch the file and write its path."
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

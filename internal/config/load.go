package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"jeos/internal/roles"
	"jeos/internal/words"
)

// Options is what a site may depend on beside its files.
type Options struct {
	Dir  string      // folder of the files
	Vars []VarSource // --var and --var-file in the order given
	// Env looks up a variable of the environment, as os.LookupEnv does. Nil: there are none.
	Env  func(string) (string, bool)
	Home string // absolute; what "~" means in paths
	// Image returns the facts of an image file. Its error is a clause for people; it is shown at the source argument.
	// The path is absolute. It cannot be nil when the site has images.
	Image func(path string) (ImageFile, error)
	// Cached returns the absolute path at which the file with that hash is or will be, for images that the lock file pins.
	// It cannot be nil when the site has such images.
	Cached func(sha256 string) string
	// Holds returns the names of the packages in the image file with that hash, from the list that was published with it and
	// has the hash manifestSHA256. Not ok: nobody knows.
	// Nil knows of none.
	Holds func(sha256, manifestSHA256 string) (packages []string, ok bool)
	// Ended returns the day on which support of a release of Ubuntu ended, in words for people, if it has. Nil: nobody knows.
	Ended func(release string) (day string, ended bool)
	// Roles are those that jeos brings: a folder each, with a role.hcl in it. Nil: there are none.
	Roles   fs.FS
	Version string // of jeos, for required_version; "" and "(devel)" satisfy everything
}

// VarSource is one --var (Name and Value) or one --var-file (File).
type VarSource struct{ Name, Value, File string }

// ImageFile is what is known about an image file.
type ImageFile struct {
	Format   string // "qcow2" or "raw"
	SHA256   string // lower-case hex
	Size     int64  // virtual size in bytes
	FileSize int64  // bytes
}

// loader carries the state of one Load.
type loader struct {
	opt        Options
	dir        string // absolute
	files      map[string]*hcl.File
	diags      hcl.Diagnostics
	incomplete bool // an unknown value was met
	marked     bool // the expression at hand made a value sensitive
	unreadVars bool // a variable file could not be read, and what it sets is not known
	site       *Site
	functions  map[string]function.Function

	// The blocks of the site by kind and name; nothing is evaluated in them.
	jeos      *block
	locals    map[string]*hcl.Attribute
	variables map[string]*variable
	blocks    map[string]map[string]*block // "image", "network", "guest", "role", "output"

	// What expressions may refer to, by kind and name. A value that could not be made is cty.DynamicVal.
	values map[string]map[string]cty.Value

	images    map[string]*Image
	networks  map[string]*Network
	instances []*instance     // guests after for_each, in the order of their names once addresses are assigned
	bakers    []*instance     // what bakes images on networks of the site, as if they were guests, by image
	broken    map[string]bool // names of guest blocks whose identity has a mistake
	addressed bool

	expanded map[string][]*instance // by guest block; those of l.instances, before their nics are known
	early    map[string]cty.Value   // what guest.<name> is worth while nothing but names is known
	roles    map[string]*roles.Definition
	hosts    []HostRequest     // that roles name, in the order in which they were evaluated
	unpinned []HostRequest     // those of them whose addresses the lock file does not say
	releases map[string]string // codenames of the systems in images
	lock     Lock              // as it was read

	lockBroken bool // something in the lock file could not be read
	locking    bool // for LoadRequests: no image file is looked at, and of images nothing but the names is known

	requests []ImageRequest      // in the order in which they were evaluated
	unasked  []string            // names of images of which it cannot be told what they ask for
	provides map[string][]string // packages by image
	unplaced []*Image            // baked ones whose network gets a range that is free, by name
	vague    map[string]bool     // names of images of which it cannot be told what they hold
}

// Load reads the site in opt.Dir. The site is nil when the diagnostics hold an error. The files are those that
// diagnostics may refer to, by the names in their ranges, which are opt.Dir joined with the name of the file; variable
// files are not among them, since they hold secrets. The same files and options always give the same result.
func Load(opt Options) (*Site, map[string]*hcl.File, hcl.Diagnostics) {
	l := newLoader(opt)
	if l.prepare() {
		l.runGraph()
		l.assemble()
	}
	l.finish()
	if l.incomplete && !l.diags.HasErrors() {
		l.diags = append(l.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unknown value",
			Detail:   "A value is unknown although nothing went wrong. This is a bug in jeos. Please report it.",
		})
	}
	if l.diags.HasErrors() {
		return nil, l.files, l.diags
	}
	return l.site, l.files, l.diags
}

func newLoader(opt Options) *loader {
	if opt.Env == nil {
		opt.Env = func(string) (string, bool) { return "", false }
	}
	l := &loader{
		opt:       opt,
		dir:       opt.Dir,
		files:     map[string]*hcl.File{},
		site:      &Site{},
		variables: map[string]*variable{},
		locals:    map[string]*hcl.Attribute{},
		blocks:    map[string]map[string]*block{},
		images:    map[string]*Image{},
		networks:  map[string]*Network{},
		broken:    map[string]bool{},
		provides:  map[string][]string{},
		vague:     map[string]bool{},
		expanded:  map[string][]*instance{},
		early:     map[string]cty.Value{},
		roles:     map[string]*roles.Definition{},
		releases:  map[string]string{},
	}
	if abs, err := filepath.Abs(opt.Dir); err == nil {
		l.dir = abs
	}
	l.values = map[string]map[string]cty.Value{
		"path": {"site": cty.StringVal(l.dir)},
		"var":  {}, "local": {}, "image": {}, "network": {}, "guest": {},
	}
	l.functions = l.makeFunctions()
	return l
}

// prepare does what comes before the graph. It returns false when there is no use in going on.
func (l *loader) prepare() bool {
	parts, ok := l.readSite()
	if !ok || !l.declare(parts) {
		return false
	}
	l.readLock()
	l.loadVariables(parts["variable"])
	l.loadJeos()
	l.loadDefinitions()
	return true
}

// finish makes the diagnostics fit to be shown.
func (l *loader) finish() hcl.Diagnostics {
	l.diags = tidy(l.diags)
	concealSecrets(l.diags, l.files)
	return l.diags
}

// readSite reads and parses all files and checks their shape. The blocks are in the order of the files.
// It returns false when a file is missing from them: what refers to its blocks would be said to be wrong.
func (l *loader) readSite() (parts map[string][]*block, ok bool) {
	paths, err := Files(l.opt.Dir)
	if err != nil {
		text := fileError(l.opt.Dir, err)
		if errors.Is(err, fs.ErrNotExist) {
			text = fmt.Errorf("there is no folder %s", words.Quote(l.opt.Dir))
		}
		l.diags = append(l.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No site",
			Detail:   fmt.Sprintf("The folder cannot be read: %s. Name the folder of a site with -C.", text),
		})
		return nil, false
	}
	if len(paths) == 0 {
		l.diags = append(l.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No site",
			Detail: fmt.Sprintf("The folder %s holds no file whose name ends in .jeos.hcl. Write one, or name the folder"+
				" of a site with -C.", words.Quote(l.opt.Dir)),
		})
		return nil, false
	}
	parts, ok = map[string][]*block{}, true
	left := int64(maxSite)
	for _, path := range paths {
		src, err := readText(path, filepath.Base(path), maxFile)
		if left -= int64(len(src)); err == nil && left < 0 {
			err = fmt.Errorf("the files of this folder are larger than %s together", FormatSize(maxSite))
		}
		if err != nil {
			l.add(hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}, "Unreadable file",
				"This file cannot be used: %s. Repair it, or move it out of the folder.", err)
			ok = false
			continue
		}
		l.files[path] = &hcl.File{Bytes: src}
		file, diags := parse(src, path)
		concealPasswords(diags, src)
		l.diags = append(l.diags, diags...)
		if file == nil || file.Body == nil || diags.HasErrors() {
			ok = false
			continue
		}
		l.files[path] = file
		_, more, diags := siteSchema.read(file.Body)
		concealPasswords(diags, src)
		l.diags = append(l.diags, diags...)
		for kind, blocks := range more {
			parts[kind] = append(parts[kind], blocks...)
		}
	}
	return parts, ok
}

// declare sorts the blocks by kind and name. It returns false when there is no use in going on.
func (l *loader) declare(parts map[string][]*block) bool {
	switch blocks := parts["jeos"]; {
	case len(blocks) > 1:
		l.add(blocks[1].at, "Duplicate jeos block",
			"A site has exactly one jeos block, and there is one already, at %s. Remove one of them.", origin(blocks[0].at))
		fallthrough
	case len(blocks) == 1:
		l.jeos = blocks[0]
		if problem := l.checkVersion(); problem != nil {
			l.diags = hcl.Diagnostics{problem}
			return false
		}
	case !l.diags.HasErrors():
		l.diags = append(l.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Missing jeos block",
			Detail:   "No file says which site this is. Write a block like this into one of them:\n\n    jeos {\n      site = \"home\"\n    }",
		})
	}
	for _, b := range parts["locals"] {
		for _, name := range sortedKeys(b.args) {
			l.declareLocal(b.args[name])
		}
	}
	l.blocks["image"] = l.checkNames(parts["image"], identifierRE, identifierRule)
	l.blocks["output"] = l.checkNames(parts["output"], identifierRE, identifierRule)
	l.blocks["role"] = l.checkNames(parts["role"], identifierRE, identifierRule)
	l.blocks["network"] = l.checkNames(parts["network"], nameRE, nameRule)
	l.blocks["guest"] = l.checkNames(parts["guest"], nameRE, nameRule)
	return true
}

func (l *loader) declareLocal(attr *hcl.Attribute) {
	if !identifierRE.MatchString(attr.Name) {
		l.add(attr.NameRange, "Invalid name", "%s is no name for a local value. %s", words.Quote(attr.Name), identifierRule)
	}
	if first, ok := l.locals[attr.Name]; ok {
		l.add(attr.NameRange, "Duplicate name", "There is a local value %s already, at %s. Rename one of them.",
			words.Quote(attr.Name), origin(first.Range))
		return
	}
	l.locals[attr.Name] = attr
}

// assemble evaluates what nothing refers to and puts the site together.
func (l *loader) assemble() {
	for _, name := range sortedKeys(l.networks) {
		l.loadNetworkBody(l.networks[name])
		l.site.Networks = append(l.site.Networks, *l.networks[name])
	}
	l.loadImageBodies()
	for _, name := range sortedKeys(l.images) {
		l.site.Images = append(l.site.Images, *l.images[name])
	}
	l.reportUnpinned()
	l.exportRoles()
	for _, inst := range l.instances {
		var g Guest
		if l.intact(func() { g = l.loadGuest(inst) }) {
			l.checkPackages(inst, &g)
		}
		l.site.Guests = append(l.site.Guests, g)
	}
	l.checkDevices()
	l.checkBakes()
	for _, name := range sortedKeys(l.broken) { // for the other mistakes in it
		if b := l.blocks["guest"][name]; b.args["for_each"] == nil {
			l.loadGuest(&instance{block: b, name: name, scope: guestScope(cty.NilVal)})
		}
	}
	slices.SortFunc(l.site.Guests, func(a, b Guest) int { return cmp.Compare(a.Name, b.Name) })
	for _, name := range sortedKeys(l.blocks["output"]) {
		l.loadOutput(l.blocks["output"][name])
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"

	"jeos/internal/words"
)

// schema is what may stand in a block.
type schema struct {
	label    string   // what its label is called; "" for none
	required []string // arguments
	choice   []string // arguments, exactly one of which must be there
	optional []string
	blocks   map[string]schema
	open     bool // any argument may stand in it
	foreign  bool // a role says what may stand in it
}

var siteSchema = schema{blocks: map[string]schema{
	"jeos": {required: []string{"site"}, optional: []string{"required_version", "uri", "pool", "pool_path"}},
	"variable": {
		label:    "name",
		optional: []string{"type", "default", "sensitive", "nullable", "description"},
		blocks:   map[string]schema{"validation": {required: []string{"condition", "error_message"}}},
	},
	"locals": {open: true},
	"image": {
		label:  "name",
		choice: []string{"source", "release", "base"},
		optional: []string{
			"checksum", "keyring", "flavour", "arch", "mirror", "packages", "remove_packages", "run", "kernel", "agent",
			"provides",
		},
		blocks: map[string]schema{
			"file": fileSchema,
			"apt":  aptSchema,
			"bake": {optional: []string{"network", "via", "cidr", "cpus", "memory", "disk", "timeout"}},
		},
	},
	"network": {label: "name", optional: []string{"mode", "cidrs", "bridge", "dhcp", "dns", "mtu", "ports"}},
	"role":    {label: "name", required: []string{"source"}},
	"guest": {
		label:    "name",
		required: []string{"image"},
		optional: []string{
			"for_each", "cpus", "memory", "disk", "running", "autostart", "arch", "machine", "firmware", "accel",
			"hostname", "timezone", "locale", "packages", "remove_packages", "run", "swap", "cloud_config",
			"console_login", "stop_timeout", "force_stop", "ready_timeout", "protect", "on_image_change",
		},
		blocks: map[string]schema{
			"nic": {
				label:    "name",
				required: []string{"network"},
				optional: []string{"addresses", "mac", "dhcp", "via", "default_route"},
			},
			"disk": {label: "name", required: []string{"size"}, optional: []string{"mount", "fs", "keep"}},
			"user": {
				label:    "name",
				optional: []string{"ssh_keys", "sudo", "groups", "shell", "uid", "gecos", "hashed_password", "password"},
			},
			"file": fileSchema,
			"apt":  aptSchema,
			"role": {label: "name", foreign: true},
		},
	},
	"output": {label: "name", required: []string{"value"}, optional: []string{"description", "sensitive"}},
}}

// What guests and images have alike.
var (
	fileSchema = schema{label: "path", optional: []string{"content", "source", "mode", "owner"}}
	aptSchema  = schema{optional: []string{"mirror", "proxy"}}
)

// body translates the schema into HCL's own.
func (s schema) body() *hcl.BodySchema {
	var b hcl.BodySchema
	for _, name := range s.required {
		b.Attributes = append(b.Attributes, hcl.AttributeSchema{Name: name, Required: true})
	}
	for _, name := range append(slices.Clone(s.choice), s.optional...) {
		b.Attributes = append(b.Attributes, hcl.AttributeSchema{Name: name})
	}
	for _, kind := range sortedKeys(s.blocks) {
		header := hcl.BlockHeaderSchema{Type: kind}
		if label := s.blocks[kind].label; label != "" {
			header.LabelNames = []string{label}
		}
		b.Blocks = append(b.Blocks, header)
	}
	return &b
}

// block is a block whose shape has been checked: its arguments and blocks are known ones.
type block struct {
	kind  string
	name  string // its label
	at    hcl.Range
	label hcl.Range // of the label; of the header when it has none
	args  map[string]*hcl.Attribute
	parts map[string][]*block // by kind, in the order of the files

	schema schema
	body   hcl.Body // of a block whose schema is foreign: nothing in it has been read
	faulty bool     // its shape has a mistake, so that something may be missing from it
}

// String names the block the way it is written: `guest "web"`.
func (b *block) String() string {
	if b.name == "" {
		return b.kind
	}
	return fmt.Sprintf("%s %q", b.kind, b.name)
}

// read checks the shape of a body.
func (s schema) read(body hcl.Body) (args map[string]*hcl.Attribute, parts map[string][]*block, diags hcl.Diagnostics) {
	if s.open {
		args, diags = body.JustAttributes()
		return args, nil, diags
	}
	content, diags := body.Content(s.body())
	diags = s.improve(diags)
	parts = map[string][]*block{}
	for _, b := range content.Blocks {
		inner := &block{kind: b.Type, at: b.DefRange, label: b.DefRange, schema: s.blocks[b.Type]}
		if len(b.Labels) > 0 {
			inner.name, inner.label = b.Labels[0], b.LabelRanges[0]
		}
		parts[b.Type] = append(parts[b.Type], inner)
		if inner.schema.foreign {
			inner.body = b.Body
			continue
		}
		var moreDiags hcl.Diagnostics
		inner.args, inner.parts, moreDiags = inner.schema.read(b.Body)
		inner.faulty = moreDiags.HasErrors()
		diags = append(diags, moreDiags...)
	}
	return content.Attributes, parts, diags
}

// improve replaces HCL's guesses at unknown names, which take "role" for "file". It drops what is said about a required
// argument that is there under a mistyped name.
func (s schema) improve(diags hcl.Diagnostics) hcl.Diagnostics {
	names := slices.Concat(sortedKeys(s.blocks), s.required, s.choice, s.optional)
	for _, d := range diags[:min(len(diags), maxProblems)] {
		switch d.Summary {
		case "Unsupported argument", "Unsupported block type", "Extraneous JSON object property":
			suggest(d, names)
		}
	}
	return slices.DeleteFunc(diags, func(missing *hcl.Diagnostic) bool {
		m := missingRE.FindStringSubmatch(missing.Detail)
		if m == nil || missing.Summary != "Missing required argument" {
			return false
		}
		suggestion := fmt.Sprintf(" Did you mean %q?", m[1])
		return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return strings.HasSuffix(d.Detail, suggestion) })
	})
}

var missingRE = regexp.MustCompile(`^The argument "([^"]+)" is required`)

// parse reads and guards a file and hands it to HCL. The result is nil when there are errors that leave nothing to go
// on with.
func parse(src []byte, filename string) (*hcl.File, hcl.Diagnostics) {
	guard, parser := guardNative, parseNative
	if strings.HasSuffix(filename, ".json") {
		guard, parser = guardJSON, hcljson.Parse
	}
	if diags := guard(src, filename); diags.HasErrors() {
		return nil, diags
	}
	return parser(src, filename)
}

func parseNative(src []byte, filename string) (*hcl.File, hcl.Diagnostics) {
	return hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
}

var (
	nameRE       = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$`)
	identifierRE = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)
)

const (
	nameRule = "Names here have at most 32 characters: small letters, digits and hyphens, starting with a letter and not" +
		" ending in a hyphen. Rename it."
	identifierRule = "Names here have at most 64 characters: small letters, digits, hyphens and underscores, starting" +
		" with a letter. Rename it."
)

// checkNames applies the name rule of a kind to blocks and finds those that have the same name. It returns the blocks
// by name; a block with a bad name is among them, so that references to it are no second mistake.
func (l *loader) checkNames(blocks []*block, re *regexp.Regexp, rule string) map[string]*block {
	byName := map[string]*block{}
	for _, b := range blocks {
		if !re.MatchString(b.name) {
			l.add(b.label, "Invalid name", "%s is no name for a %s. %s", words.Quote(b.name), b.kind, rule)
		}
		if first, ok := byName[b.name]; ok {
			l.add(b.label, "Duplicate name", "There is a %s %s already, at %s. Rename one of them.",
				b.kind, words.Quote(b.name), origin(first.at))
			continue
		}
		byName[b.name] = b
	}
	return byName
}

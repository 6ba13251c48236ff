package roles

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"jeos/internal/words"
)

// shape is what may stand in a block of role.hcl.
type shape struct {
	label    string // what its label is called; empty: it has none
	required []string
	optional []string
	blocks   map[string]shape
	open     bool // any argument may stand in it
}

var fileShape = shape{blocks: map[string]shape{"role": {
	required: []string{"summary"},
	optional: []string{"confined", "resolve", "packages", "enable", "disable", "apply", "guard", "export"},
	blocks: map[string]shape{
		"argument": argumentShape,
		"block": {
			label:    "type",
			optional: []string{"label", "description", "min", "max"},
			blocks:   map[string]shape{"argument": argumentShape},
		},
		"locals":  {open: true},
		"nic":     {label: "name", required: []string{"network"}, optional: []string{"when", "via", "gateway", "dhcp", "default_route"}},
		"device":  {label: "name", required: []string{"pci"}, optional: []string{"when", "managed"}},
		"outside": {label: "interface", optional: []string{"when"}},
		"forward": {required: []string{"from", "to"}, optional: []string{"when", "only"}},
		"tunnel":  {label: "interface", required: []string{"over", "endpoints"}, optional: []string{"when"}},
		"file":    {label: "path", optional: []string{"when", "template", "content", "mode", "owner"}},
		"probe":   {label: "name", required: []string{"command"}, optional: []string{"when"}},
		"warning": {required: []string{"text"}, optional: []string{"when"}},
	},
}}}

var argumentShape = shape{
	label:    "name",
	required: []string{"type"},
	optional: []string{"description", "default", "secret"},
	blocks:   map[string]shape{"validation": {required: []string{"condition", "error_message"}}},
}

// part is a block of role.hcl whose shape has been checked.
type part struct {
	kind    string
	label   string
	at      hcl.Range // of the header
	labelAt hcl.Range // of the header when it has no label
	args    map[string]hclsyntax.Expression
	nameAt  map[string]hcl.Range // of the names of arguments
	parts   map[string][]*part   // by kind, in the order of the file
}

// read checks the shape of a body and puts it into a part.
func (s shape) read(body *hclsyntax.Body, into *part) (diags hcl.Diagnostics) {
	into.args = map[string]hclsyntax.Expression{}
	into.nameAt = map[string]hcl.Range{}
	into.parts = map[string][]*part{}
	known := slices.Concat(s.required, s.optional)
	kinds := slices.Sorted(maps.Keys(s.blocks))
	mistyped := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		attr := body.Attributes[name]
		if s.open || slices.Contains(known, name) {
			into.args[name], into.nameAt[name] = attr.Expr, attr.NameRange
			continue
		}
		remedy := words.DidYouMean(name, known, " Remove it.")
		if slices.Contains(kinds, name) {
			remedy = fmt.Sprintf(" Write it as a block: %s { … }.", name)
		}
		mistyped[words.Nearest(name, known)] = true
		diags = append(diags, words.Problem(attr.NameRange, "Unsupported argument", "An argument %s is not known here.%s", words.Quote(name), remedy))
	}
	for _, name := range s.required {
		if into.args[name] == nil && !mistyped[name] {
			diags = append(diags, words.Problem(into.at, "Missing required argument", "The block %s needs the argument %q. Add it.", into.kind, name))
		}
	}
	for _, block := range body.Blocks {
		inner, ok := s.blocks[block.Type]
		if !ok {
			diags = append(diags, words.Problem(block.TypeRange, "Unsupported block", "A block %s is not known here.%s",
				words.Quote(block.Type), words.DidYouMean(block.Type, kinds, " Remove it.")))
			continue
		}
		p := &part{kind: block.Type, at: block.DefRange(), labelAt: block.DefRange()}
		diags = append(diags, inner.readLabel(block, p)...)
		diags = append(diags, inner.read(block.Body, p)...)
		into.parts[block.Type] = append(into.parts[block.Type], p)
	}
	return diags
}

func (s shape) readLabel(block *hclsyntax.Block, into *part) hcl.Diagnostics {
	want := 0
	if s.label != "" {
		want = 1
	}
	switch {
	case len(block.Labels) < want:
		return hcl.Diagnostics{words.Problem(block.TypeRange, "Missing label", "A block %s has a label, its %s. Write: %s \"…\" { … }.",
			block.Type, s.label, block.Type)}
	case len(block.Labels) > want:
		return hcl.Diagnostics{words.Problem(block.LabelRanges[want], "Extraneous label", "A block %s has no such label. Remove it.", block.Type)}
	case want == 1:
		into.label, into.labelAt = block.Labels[0], block.LabelRanges[0]
	}
	return nil
}

package roles

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// Type is what an argument of a role takes, by the words of role.hcl.
type Type string

// The values of the first five are checked by this package: they come as the files have them, without any conversion.
// Those of the others are made by the caller, as objects with exactly these attributes, or null. It reports what is not
// of the type.
const (
	String     Type = "string" // one line
	Text       Type = "text"   // may have several lines
	Number     Type = "number"
	Bool       Type = "bool"
	StringList Type = "list(string)" // of one line each; a tuple, list or set

	Network Type = "network" // name and bridge (strings), cidrs (list of strings), mode (string)
	Guest   Type = "guest"   // name (string), addresses (list of strings), nic (object or map); in Identity these two are unknown
	PCI     Type = "pci"     // id and address (strings, one of them null)
	OpenVPN Type = "openvpn" // remotes (list of objects with host, port and proto), settings, needs_credentials, username, password
)

// Language is what the files of a role share with those of a site.
type Language struct {
	// Functions are what expressions can call beside the escaping functions of this package, whose names take precedence.
	// None may read files.
	Functions map[string]function.Function
	// Guard returns an error for tokens that are not safe to parse. Nil: all are.
	Guard func(hclsyntax.Tokens) hcl.Diagnostics
	// CheckValue returns what is wrong with the size of a value, in a sentence or two, or "". Nil: nothing ever is.
	CheckValue func(cty.Value) string
}

// Definition is a role that has been read.
type Definition struct {
	Name      string
	Summary   string // one line
	Confined  bool   // its guests may reach the outside through a tunnel alone
	Arguments []Argument
	Blocks    []NestedBlock

	role       *part
	locals     map[string]hclsyntax.Expression
	templates  map[string]hclsyntax.Expression
	functions  map[string]function.Function
	checkValue func(cty.Value) string
}

// Argument is one that a role block, or a block in it, may have. Definitions hold them in the order of role.hcl.
type Argument struct {
	Name        string
	Type        Type
	Description string
	Required    bool
	Default     cty.Value // null when Required, and where it says so
	// Secret says that the value may be sensitive. It is treated as such even when it is not, and diagnostics about it must
	// hide their source: what stands in the files may be the secret itself.
	Secret bool
	// Early says that Identity needs the value. Give the others as unknown there.
	Early bool

	validations []*part
}

// NestedBlock is a kind of block that may stand in a role block.
type NestedBlock struct {
	Type        string
	Label       string // what the label is called; empty: it has none
	Description string
	Min, Max    int // how many; Max 0 is any number
	Arguments   []Argument
}

package roles

import (
	"maps"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"jeos/internal/escape"
)

// format is a way of writing text, by the name of its function.
type format struct {
	function string
	name     string // in a sentence
	escape   func(string) (string, error)
}

var formats = []format{
	{"dnsmasq", "a configuration of dnsmasq", escape.Dnsmasq},
	{"ini", "an INI file", escape.INI},
	{"keyfile", "a keyfile", escape.Keyfile},
	{"nft", "rules of nft", escape.NFT},
	{"openvpn", "a configuration of OpenVPN", escape.OpenVPN},
	{"sh", "a shell command", escape.Shell},
	{"unit", "a systemd unit", escape.Unit},
	{"wicd", "the settings of wicd", escape.Wicd},
	{"wpa_psk", "a configuration of wpa_supplicant", escape.WPAPSK},
	{"wpa_ssid", "a configuration of wpa_supplicant", escape.WPASSID},
}

// refusal is the error of an escaping function: the format cannot hold the text.
type refusal struct {
	format  string // its name in a sentence
	reason  string // a clause without the text
	origins []origin
}

func (r *refusal) Error() string { return r.format + " cannot hold this text: " + r.reason }

// withEscaping adds the escaping functions. Each returns text that stands for exactly its argument in a format.
func withEscaping(functions map[string]function.Function) map[string]function.Function {
	all := map[string]function.Function{}
	maps.Copy(all, functions)
	for _, f := range formats {
		all[f.function] = function.New(&function.Spec{
			Params: []function.Parameter{{Name: "text", Type: cty.String, AllowMarked: true}},
			Type:   function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				text, marks := args[0].Unmark()
				escaped, err := f.escape(text.AsString())
				if err != nil {
					return cty.NilVal, &refusal{f.name, err.Error(), origins(args[0])}
				}
				return cty.StringVal(escaped).WithMarks(marks), nil
			},
		})
	}
	return all
}

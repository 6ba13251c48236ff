package cli

import "encoding/json"

// writeJSON writes a value as one indented JSON document.
func (p *program) writeJSON(v any) error { return p.encode(v, "  ") }

// writeJSONLine writes a value as one line of JSON.
func (p *program) writeJSONLine(v any) error { return p.encode(v, "") }

func (p *program) encode(v any, indent string) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}

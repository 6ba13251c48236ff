package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns src in the one form of HCL files; it is idempotent. JSON is returned as it is. The result is nil when
// src cannot be parsed, since what is broken cannot be formatted safely.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	if _, diags := parse(src, filename); diags.HasErrors() {
		return nil, diags
	}
	if strings.HasSuffix(filename, ".json") {
		return src, nil
	}
	return hclwrite.Format(src), nil
}

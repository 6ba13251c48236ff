package roles

import (
	"path"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/words"
)

// place names a line of a role: "router/role.hcl:12".
func place(at hcl.Range) string {
	dir, file := path.Split(at.Filename)
	return path.Join(path.Base(dir), file) + ":" + strconv.Itoa(at.Start.Line)
}

// sorted orders diagnostics by their places.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	slices.SortStableFunc(diags, words.ComparePlaces)
	return diags
}

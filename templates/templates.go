// Package templates holds the roles that come with jeos: one folder for each, with its role.hcl and the templates of the
// files that it writes into its guest. They are data; package roles reads them.
package templates

import "embed"

// Roles has one folder for each role, named like it, with role.hcl and the templates that this names.
//
//go:embed */role.hcl */*.tmpl
var Roles embed.FS

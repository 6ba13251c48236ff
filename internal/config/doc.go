// Package config turns the *.jeos.hcl files of one folder into a [Site]: plain data with every default filled in, every
// reference resolved, every address assigned and every rule checked.
//
// [Load] works in stages. Each stage reads what the one before it made:
//
//  1. files: read and guarded, so that no input can exhaust the parser (files.go, guard.go), then parsed (parse.go)
//  2. variables: declared types, values from flags, files and environment (variables.go)
//  3. a graph of what may be referred to: locals, images, networks and the identities of guests, which their roles have a
//     part in (graph.go, role.go). Images from the network are what the lock file says, and a mistake when it says nothing
//     (request.go)
//  4. addresses: explicit, from the lock file, or the first free one (addresses.go); then who is whose gateway (gateway.go)
//  5. bodies: what nothing else refers to, that is the rest of networks, images (bake.go) and guests with their roles
//     (role_expand.go), and outputs
//  6. packages: whether each guest can have those that it wants (holds.go)
//
// While names are all that is known of guests, nics and roles may refer to guests by these ("early" in the code).
//
// [LoadRequests] does the first three for images and roles alone and tells what there is to lock. [UpdateLock] writes the
// lock file.
//
// Problems are collected as diagnostics and never stop the loading of unrelated blocks. A value that could not be made
// is unknown, and whoever uses an unknown value stays silent, so that one mistake gives one diagnostic.
//
// Sensitive values carry a mark through every expression and may end only where [sensitiveHelp] says. A diagnostic whose
// source lines might hold a secret carries an Extra with a HideSource method.
//
// The package reads files and nothing else: no network, no libvirt, no clock.
package config

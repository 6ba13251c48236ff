package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/config"
	"jeos/internal/topology"
	"jeos/plan"
)

// prove finds the paths of confined guests to the outside, and refuses a site that has one around its tunnels.
func (p *program) prove(s *site) error {
	var problems []topology.Problem
	s.paths, problems = topology.Prove(s.Site)
	var diags hcl.Diagnostics
	for _, found := range problems {
		d := problem(found.Summary, found.Detail)[0]
		d.Subject = p.originRange(s, found.Origin)
		diags = append(diags, d)
	}
	if diags.HasErrors() {
		return &invalid{s.files, diags}
	}
	return nil
}

// writePaths writes a line for each confined guest.
func (p *program) writePaths(paths []topology.Path, indent string) {
	for _, path := range paths {
		fmt.Fprintf(p.out, "%s%s\n", indent, path)
	}
}

// writePathsBlock writes the lines under a heading.
func (p *program) writePathsBlock(paths []topology.Path) {
	fmt.Fprintln(p.out, paint(p.outColor(), bold, "Paths to the outside:"))
	p.writePaths(paths, "  ")
}

// pathJSON is a path in the JSON form of validate, plan and graph.
type pathJSON struct {
	Address string    `json:"address"` // of a guest, or of an image that is baked
	Text    string    `json:"text"`
	Ways    []wayJSON `json:"ways"`
}

type wayJSON struct {
	Hops      []string `json:"hops"` // networks, and "guest:interface"
	Tunnelled bool     `json:"tunnelled"`
	Outside   bool     `json:"outside"`
}

// pathsJSON is never nil.
func pathsJSON(paths []topology.Path) []pathJSON {
	out := make([]pathJSON, 0, len(paths))
	for _, path := range paths {
		j := pathJSON{Address: guestOrImage(path.Guest).String(), Text: path.String(), Ways: []wayJSON{}}
		for _, w := range path.Ways {
			j.Ways = append(j.Ways, wayJSON{w.Hops, w.Tunnelled, w.Outside})
		}
		out = append(out, j)
	}
	return out
}

// guestOrImage returns the address of a guest, and of the image for what bakes one.
func guestOrImage(name string) plan.Addr {
	if image, bakes := strings.CutPrefix(name, config.BakeName("")); bakes {
		return plan.Addr{Kind: plan.KindImage, Name: image}
	}
	return plan.Addr{Kind: plan.KindGuest, Name: name}
}

// writeWithPaths writes a JSON object, as it is written by write, with one more field: "paths".
func (p *program) writeWithPaths(paths []topology.Path, write func(*bytes.Buffer) error) error {
	var object bytes.Buffer
	if err := write(&object); err != nil {
		return err
	}
	field, err := json.Marshal(pathsJSON(paths))
	if err != nil {
		return err
	}
	object.Truncate(bytes.LastIndexByte(object.Bytes(), '}'))
	fmt.Fprintf(&object, `,"paths":%s}`, field)
	return p.writeJSON(json.RawMessage(object.Bytes()))
}

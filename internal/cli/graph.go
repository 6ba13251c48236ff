package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"jeos/internal/config"
	"jeos/internal/topology"
	"jeos/plan"
)

// node is an object, what it needs, and what else there is to say about it.
type node struct {
	addr  plan.Addr
	note  string // "inside" or "outside", of a network
	needs []edge
	facts []string // what a guest's role does
}

type edge struct {
	to   plan.Addr
	note string
}

// graph returns the networks and images of a site, which need nothing, and then its guests.
func graph(s *config.Site, t *topology.Topology) []node {
	var nodes []node
	for _, n := range s.Networks {
		nodes = append(nodes, node{addr: plan.Addr{Kind: plan.KindNetwork, Name: n.Name}, note: networkNote(n, t)})
	}
	for _, i := range s.Images {
		nodes = append(nodes, node{addr: plan.Addr{Kind: plan.KindImage, Name: i.Name}})
	}
	for _, g := range s.Guests {
		nodes = append(nodes, guestNode(g))
	}
	return nodes
}

func networkNote(n config.Network, t *topology.Topology) string {
	switch {
	case t.Inside(n.Name):
		return "inside"
	case n.Mode != config.Isolated:
		return "outside, " + string(n.Mode)
	}
	return ""
}

func guestNode(g config.Guest) node {
	n := node{addr: plan.Addr{Kind: plan.KindGuest, Name: g.Name}}
	n.add(plan.KindImage, g.Image, "")
	for _, nic := range g.NICs {
		addresses := make([]string, len(nic.Addresses))
		for i, a := range nic.Addresses {
			addresses[i] = a.Addr().String()
		}
		n.add(plan.KindNetwork, nic.Network, strings.TrimSpace(nic.Name+" "+strings.Join(addresses, " ")))
	}
	for _, d := range g.Disks {
		n.add(plan.KindVolume, g.Name+"."+d.Name, strings.TrimSpace(config.FormatSize(d.Size)+" "+d.Mount))
	}
	for _, other := range g.Needs {
		n.add(plan.KindGuest, other, "")
	}
	for _, d := range g.Devices {
		n.facts = append(n.facts, fmt.Sprintf("device %s (pci %s%s)", d.Name, d.ID, d.Address))
	}
	if g.Role != nil {
		n.facts = append(n.facts, roleFacts(*g.Role)...)
	}
	return n
}

func roleFacts(role config.Role) []string {
	var facts []string
	for _, name := range role.Outside {
		facts = append(facts, "outside "+name)
	}
	for _, f := range role.Forwards {
		fact := fmt.Sprintf("forward %s → %s", f.From, f.To)
		if f.TunnelsAlone {
			fact += ", packets of tunnels alone"
		}
		facts = append(facts, fact)
	}
	for _, t := range role.Tunnels {
		fact := fmt.Sprintf("tunnel %s over %s", t.Name, t.Over)
		for _, e := range t.Endpoints {
			fact += fmt.Sprintf(", to %s %s", netip.AddrPortFrom(e.Addr, e.Port), e.Proto)
		}
		facts = append(facts, fact)
	}
	return facts
}

func (n *node) add(kind plan.Kind, name, note string) {
	n.needs = append(n.needs, edge{plan.Addr{Kind: kind, Name: name}, note})
}

// noted returns a text with a note behind it.
func noted(text, note string) string {
	if note == "" {
		return text
	}
	return text + "  (" + note + ")"
}

func writeTree(p *program, nodes []node) {
	for _, n := range nodes {
		fmt.Fprintln(p.out, noted(n.addr.String(), n.note))
		var leaves []string
		for _, e := range n.needs {
			leaves = append(leaves, noted(e.to.String(), e.note))
		}
		leaves = append(leaves, n.facts...)
		for i, leaf := range leaves {
			branch := "├── "
			if i == len(leaves)-1 {
				branch = "└── "
			}
			fmt.Fprintf(p.out, "%s%s\n", branch, leaf)
		}
	}
}

// writeDot writes the language of https://graphviz.org/doc/info/lang.html.
func writeDot(p *program, name string, nodes []node, links []topology.Link) {
	fmt.Fprintf(p.out, "digraph %s {\n  rankdir = LR\n", strconv.Quote(name))
	for _, n := range nodes {
		addr := strconv.Quote(n.addr.String())
		fmt.Fprintf(p.out, "  %s%s\n", addr, dotAttributes("label", dotLabel(n)))
		for _, e := range n.needs {
			fmt.Fprintf(p.out, "  %s -> %s%s\n", addr, strconv.Quote(e.to.String()), dotAttributes("label", e.note))
		}
	}
	for _, l := range links {
		to := "outside"
		if l.To != "" {
			to = networkAddr(l.To)
		}
		style := "dashed"
		switch {
		case l.Over != "":
			style = "dashed,bold"
		case l.Assumed:
			style = "dotted"
		}
		fmt.Fprintf(p.out, "  %s -> %s%s\n", strconv.Quote(networkAddr(l.From)), strconv.Quote(to),
			dotAttributes("label", linkLabel(l), "style", style))
	}
	fmt.Fprintln(p.out, "}")
}

func networkAddr(name string) string {
	return plan.Addr{Kind: plan.KindNetwork, Name: name}.String()
}

// dotLabel is empty where the address says everything.
func dotLabel(n node) string {
	if n.note == "" && len(n.facts) == 0 {
		return ""
	}
	return strings.Join(append([]string{noted(n.addr.String(), n.note)}, n.facts...), "\n")
}

// linkLabel says which interface packets leave a guest by. What the host does has no label.
func linkLabel(l topology.Link) string {
	label := l.Guest
	if l.Guest != "" {
		label += ":" + l.Out
	}
	if l.TunnelsAlone {
		label += ", packets of tunnels alone"
	}
	return label
}

// dotAttributes writes attributes, given as names and values, but for empty ones.
func dotAttributes(pairs ...string) string {
	var set []string
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			set = append(set, pairs[i]+" = "+strconv.Quote(pairs[i+1]))
		}
	}
	if len(set) == 0 {
		return ""
	}
	return " [" + strings.Join(set, ", ") + "]"
}

// graphJSON is the JSON form of the graph.
type graphJSON struct {
	FormatVersion string     `json:"format_version"`
	Objects       []nodeJSON `json:"objects"`
	Links         []linkJSON `json:"links"`
	Paths         []pathJSON `json:"paths"`
}

type nodeJSON struct {
	Address string     `json:"address"`
	Inside  bool       `json:"inside,omitempty"` // of a network: the guests on it must use a tunnel
	Needs   []needJSON `json:"needs"`
}

type needJSON struct {
	Address string `json:"address"`
	Note    string `json:"note,omitempty"`
}

// linkJSON is one step of packets from a network: through a guest, or through the host when guest is empty.
type linkJSON struct {
	From         string `json:"from"` // the address of a network
	Guest        string `json:"guest,omitempty"`
	In           string `json:"in,omitempty"`   // interface
	Out          string `json:"out,omitempty"`  // interface
	Over         string `json:"over,omitempty"` // when out is a tunnel: the interface that it goes over
	To           string `json:"to"`             // the address of a network, or "outside"
	TunnelsAlone bool   `json:"tunnels_alone"`
	Assumed      bool   `json:"assumed"` // nothing rules it out
}

func newGraphJSON(nodes []node, t *topology.Topology, paths []topology.Path) graphJSON {
	j := graphJSON{FormatVersion: "1.0", Objects: []nodeJSON{}, Links: []linkJSON{}, Paths: pathsJSON(paths)}
	for _, n := range nodes {
		object := nodeJSON{Address: n.addr.String(), Needs: []needJSON{}}
		object.Inside = n.addr.Kind == plan.KindNetwork && t.Inside(n.addr.Name)
		for _, e := range n.needs {
			object.Needs = append(object.Needs, needJSON{e.to.String(), e.note})
		}
		j.Objects = append(j.Objects, object)
	}
	for _, l := range t.Links() {
		to := "outside"
		if l.To != "" {
			to = networkAddr(l.To)
		}
		j.Links = append(j.Links, linkJSON{networkAddr(l.From), l.Guest, l.In, l.Out, l.Over, to, l.TunnelsAlone, l.Assumed})
	}
	return j
}

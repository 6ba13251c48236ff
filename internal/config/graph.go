package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// node is something that expressions refer to, directly or not. Its name is shown when it is part of a cycle.
type node struct {
	name string
	refs []edge
	make func()
	fail func() // instead of make, for a node of a cycle
	mark int
}

type edge struct {
	to string
	at hcl.Range
}

const (
	unvisited = iota
	visiting
	visited
)

// addressesNode stands for the assignment of addresses, which needs the nics of all guests.
const addressesNode = "addresses"

func namesNode(guest string) string { return "for_each of guest." + guest }
func roleNode(guest string) string  { return "role of guest." + guest }
func nicsNode(guest string) string  { return "nics of guest." + guest }

// runGraph makes all values that can be referred to, each after those that it refers to itself. With prefixes, it makes
// those whose names begin with one of them, and what they need.
func (l *loader) runGraph(prefixes ...string) {
	nodes := l.nodes()
	var path []string // from the root to the node being visited
	var visit func(name string)
	visit = func(name string) {
		n := nodes[name]
		n.mark = visiting
		path = append(path, name)
		for _, e := range n.refs {
			switch next := nodes[e.to]; {
			case next == nil: // refers to nothing; evaluating it will say so
			case next.mark == unvisited:
				visit(e.to)
			case next.mark == visiting:
				l.reportCycle(nodes, path, e)
			}
		}
		path = path[:len(path)-1]
		if n.mark == visiting {
			n.make()
		}
		n.mark = visited
	}
	for _, name := range sortedKeys(nodes) {
		wanted := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if nodes[name].mark == unvisited && (len(prefixes) == 0 || slices.ContainsFunc(prefixes, wanted)) {
			visit(name)
		}
	}
}

// reportCycle names the whole cycle that the edge closes, once, and takes its nodes out of the evaluation.
func (l *loader) reportCycle(nodes map[string]*node, path []string, closing edge) {
	cycle := slices.Clone(path[slices.Index(path, closing.to):])
	for _, name := range cycle {
		nodes[name].mark = visited
		nodes[name].fail()
	}
	remedy := "Break it by writing one of the values out."
	if i := slices.Index(cycle, addressesNode); i >= 0 {
		cycle = append(cycle[i+1:], cycle[:i+1]...) // begin with what the user wrote
		remedy = "The addresses of all guests are assigned together, from all nic blocks and roles, so neither these nor for_each" +
			" can use an address or MAC of a guest. " + cmp.Or(l.nameAlone(cycle), remedy)
	}
	cycle = append(cycle, cycle[0])
	first := slices.IndexFunc(nodes[cycle[0]].refs, func(e edge) bool { return e.to == cycle[1] })
	l.add(nodes[cycle[0]].refs[first].at, "Cycle", "These values need each other:\n\n    %s\n\n%s",
		strings.Join(cycle, " → "), remedy)
}

// byLocalRE finds where a nic or role gets at a guest by way of local values.
var byLocalRE = regexp.MustCompile(`(?:nics|role) of \S+ → (local\.\S+)( → local\.\S+)* → (guest\.\S+) → `)

// nameAlone says what to write where a nic or role may want nothing of a guest but its name, and uses a local value that is
// the guest. It returns "" when the cycle is another one.
func (l *loader) nameAlone(cycle []string) string {
	m := byLocalRE.FindStringSubmatch(strings.Join(cycle, " → "))
	if m == nil {
		return ""
	}
	isAttribute := func(step hcl.Traverser) bool { _, ok := step.(hcl.TraverseAttr); return ok }
	last := cmp.Or(strings.TrimPrefix(m[2], " → "), m[1])
	for _, traversal := range l.locals[strings.TrimPrefix(last, "local.")].Expr.Variables() {
		if referenceOf(traversal).String() == m[3] && !slices.ContainsFunc(traversal[2:], isAttribute) {
			return fmt.Sprintf("Where nothing but the name of a guest is wanted, as via does, write %s itself instead of %s, which stands"+
				" for its addresses, too.", m[3], m[1])
		}
	}
	return ""
}

func (l *loader) nodes() map[string]*node {
	nodes := map[string]*node{}
	add := func(n *node) { nodes[n.name] = n }
	for name, attr := range l.locals {
		add(&node{
			name: "local." + name,
			refs: l.edges(attr.Expr),
			make: func() { l.values["local"][name] = l.evaluate(attr.Expr, scopeSite) },
			fail: func() { l.values["local"][name] = cty.DynamicVal },
		})
	}
	for name, b := range l.blocks["image"] {
		add(&node{
			name: "image." + name,
			refs: l.imageEdges(b),
			make: func() { l.values["image"][name] = l.loadImage(b) },
			fail: func() { l.values["image"][name] = cty.DynamicVal },
		})
	}
	for name, b := range l.blocks["network"] {
		add(&node{
			name: "network." + name,
			refs: l.argumentEdges(b, "mode", "cidrs", "bridge", "dhcp"),
			make: func() { l.values["network"][name] = l.loadNetwork(b) },
			fail: func() { l.values["network"][name] = cty.DynamicVal },
		})
	}
	addresses := &node{name: addressesNode, make: l.assignAddresses, fail: func() {}}
	for _, name := range sortedKeys(l.blocks["network"]) {
		addresses.refs = append(addresses.refs, edge{"network." + name, l.blocks["network"][name].at})
	}
	for _, name := range sortedKeys(l.blocks["guest"]) {
		for _, n := range l.guestNodes(l.blocks["guest"][name]) {
			add(n)
		}
		addresses.refs = append(addresses.refs, edge{nicsNode(name), l.blocks["guest"][name].at})
	}
	add(addresses)
	return nodes
}

// guestNodes returns the nodes of a guest: its names, its role, its nics, and what it is worth.
func (l *loader) guestNodes(b *block) []*node {
	fail := func() { l.broken[b.name] = true }
	names := &node{
		name: namesNode(b.name),
		refs: l.argumentEdges(b, "for_each"),
		make: func() { l.expand(b) },
		fail: func() { fail(); l.early[b.name] = cty.DynamicVal },
	}
	nics := &node{
		name: nicsNode(b.name),
		refs: []edge{{names.name, b.at}},
		make: func() { l.loadInstances(b) },
		fail: fail,
	}
	for _, nic := range b.parts["nic"] {
		for _, name := range sortedKeys(nic.args) {
			if name == "via" {
				nics.refs = append(nics.refs, l.earlyEdges(nic.args[name].Expr)...)
			} else {
				nics.refs = append(nics.refs, l.edges(nic.args[name].Expr)...)
			}
		}
	}
	worth := &node{
		name: "guest." + b.name,
		refs: []edge{{addressesNode, b.at}},
		make: func() { l.values["guest"][b.name] = l.guestValue(b) },
		fail: func() { l.values["guest"][b.name] = cty.DynamicVal },
	}
	if len(b.parts["role"]) == 0 {
		return []*node{names, nics, worth}
	}
	role := &node{
		name: roleNode(b.name),
		refs: append(l.roleEdges(b), edge{names.name, b.at}),
		make: func() { l.identifyRole(b) },
		fail: fail,
	}
	nics.refs = append(nics.refs, edge{role.name, b.parts["role"][0].at})
	return []*node{names, role, nics, worth}
}

// earlyEdges are edges for an expression in a scope that knows guests by their names alone.
func (l *loader) earlyEdges(expr hcl.Expression) []edge {
	edges := l.edges(expr)
	for i, e := range edges {
		if name, ok := strings.CutPrefix(e.to, "guest."); ok {
			edges[i].to = namesNode(name)
		}
	}
	return edges
}

// edges returns where the references of an expression lead.
func (l *loader) edges(expr hcl.Expression) []edge {
	var edges []edge
	for _, ref := range references(expr) {
		switch {
		case ref.kind == "var" || ref.kind == "each" || ref.kind == "path":
		case ref.name != "":
			edges = append(edges, edge{ref.String(), ref.at})
		case ref.kind == "local":
			for _, name := range sortedKeys(l.locals) {
				edges = append(edges, edge{"local." + name, ref.at})
			}
		default:
			for _, name := range sortedKeys(l.blocks[ref.kind]) {
				edges = append(edges, edge{ref.kind + "." + name, ref.at})
			}
		}
	}
	return edges
}

// imageEdges returns the edges of what decides the worth of an image.
func (l *loader) imageEdges(b *block) []edge {
	edges := l.argumentEdges(b, imageIdentity...)
	for _, part := range b.parts["bake"] {
		edges = append(edges, l.argumentEdges(part, "disk")...)
	}
	return edges
}

// argumentEdges returns the edges of the named arguments of a block, or of all of them.
func (l *loader) argumentEdges(b *block, names ...string) []edge {
	if len(names) == 0 {
		names = sortedKeys(b.args)
	}
	var edges []edge
	for _, name := range names {
		if attr, ok := b.args[name]; ok {
			edges = append(edges, l.edges(attr.Expr)...)
		}
	}
	return edges
}

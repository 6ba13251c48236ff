package config

import (
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

func nicsNode(guest string) string { return "nics of guest." + guest }

// runGraph makes all values that can be referred to whose names begin with prefix, each after those that it refers to
// itself, which are made, too.
func (l *loader) runGraph(prefix string) {
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
		if nodes[name].mark == unvisited && strings.HasPrefix(name, prefix) {
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
		remedy = "The addresses of all guests are assigned together, from all nic blocks, so a nic block and its for_each" +
			" cannot use an address or MAC of a guest. " + remedy
	}
	cycle = append(cycle, cycle[0])
	first := slices.IndexFunc(nodes[cycle[0]].refs, func(e edge) bool { return e.to == cycle[1] })
	l.add(nodes[cycle[0]].refs[first].at, "Cycle", "These values need each other:\n\n    %s\n\n%s",
		strings.Join(cycle, " → "), remedy)
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
		b := l.blocks["guest"][name]
		identity := &node{name: nicsNode(name), refs: l.argumentEdges(b, "for_each")}
		for _, nic := range b.parts["nic"] {
			identity.refs = append(identity.refs, l.argumentEdges(nic)...)
		}
		identity.make = func() { l.loadInstances(b) }
		identity.fail = func() {}
		add(identity)
		addresses.refs = append(addresses.refs, edge{identity.name, b.at})
		add(&node{
			name: "guest." + name,
			refs: []edge{{addressesNode, b.at}},
			make: func() { l.values["guest"][name] = l.guestValue(b) },
			fail: func() { l.values["guest"][name] = cty.DynamicVal },
		})
	}
	add(addresses)
	return nodes
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

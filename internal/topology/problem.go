package topology

import (
	"fmt"
	"slices"
	"strings"

	"jeos/internal/config"
)

// Problem is a reason why a site must not be applied.
type Problem struct {
	Summary string // terse and fixed
	Detail  string // full sentences, the last of which says what to do
	Origin  string // "main.jeos.hcl:12", of the block to change
}

// leak is one way around the tunnels, and all to whom it is open.
type leak struct {
	way      Way // the shortest
	subjects []string
}

// leaks are in the order in which they were found.
type leaks []*leak

// add takes in the ways around the tunnels among those of a guest or network. Two ways are the same leak when they leave
// the inside networks and reach the outside at the same places.
func (all *leaks) add(subject string, ways []Way) {
	for _, w := range ways {
		if w.Tunnelled || !w.Outside {
			continue
		}
		i := slices.IndexFunc(*all, func(l *leak) bool { return l.way.left == w.left && l.way.last().exit == w.last().exit })
		if i < 0 {
			*all = append(*all, &leak{w, []string{subject}})
			continue
		}
		l := (*all)[i]
		if strings.HasPrefix(subject, "network.") {
			continue // guests on it say more
		}
		if len(w.Hops) < len(l.way.Hops) {
			l.way = w
			l.subjects = slices.Insert(l.subjects, 0, subject)
		} else {
			l.subjects = append(l.subjects, subject)
		}
	}
}

func (w Way) last() Link { return w.links[len(w.links)-1] }

// leaving returns the step that left the inside networks.
func (w Way) leaving() Link {
	return w.links[slices.IndexFunc(w.links, func(l Link) bool { return l.exit == w.left })]
}

func (all leaks) problems(t *Topology) []Problem {
	var out []Problem
	for _, l := range all {
		leaving, last := l.way.leaving(), l.way.last()
		detail := fmt.Sprintf("Packets from %s can reach the outside without a tunnel:\n\n    %s\n\n", l.subjects[0], l.way)
		detail += strings.Join(t.explainFrom(l.way, leaving), " ")
		if others := l.subjects[1:]; len(others) > 0 {
			detail += " Packets from " + list(others) + " can take it, too."
		}
		out = append(out, Problem{"Path around the tunnel", detail + " " + t.remedy(leaving, last), leaving.Origin})
	}
	return out
}

// explainFrom says why packets can go a way, from a step on.
func (t *Topology) explainFrom(w Way, first Link) []string {
	var out []string
	for _, l := range w.links[slices.Index(w.links, first):] {
		out = append(out, t.explain(l))
	}
	return out
}

// explain says in one sentence why packets can take a step.
func (t *Topology) explain(l Link) string {
	g := t.guest(l.Guest)
	switch {
	case g == nil:
		return t.explainHost(l)
	case l.From == "" && g.cards[l.Out] != nil:
		return fmt.Sprintf("The card %q of %s is on network.%s.", l.Out, subject(g), l.To)
	case l.From == "" && g.outside[l.Out]:
		return fmt.Sprintf("The interface %s of %s leads to the outside, as its role says.", l.Out, subject(g))
	case l.From == "":
		return fmt.Sprintf("%s has the device %q for itself, which can be a network card.", capital(subject(g)), l.Out)
	case l.TunnelsAlone:
		return fmt.Sprintf("%s passes packets of tunnels on, from %s to %s, but anybody on network.%s can send some that look like them.",
			capital(subject(g)), l.In, l.Out, l.From)
	case !l.Assumed:
		return fmt.Sprintf("The role of %s passes packets on, from %s to %s.", subject(g), l.In, l.Out)
	case g.cards[l.Out] == nil:
		return fmt.Sprintf("%s has %q for itself, and nothing in the files keeps it from passing packets on to it.", capital(subject(g)), l.Out)
	case g.Role == nil:
		return fmt.Sprintf("%s is on network.%s and with its card %q on network.%s, and nothing in the files keeps it from passing packets on.",
			capital(subject(g)), l.From, l.Out, l.To)
	default:
		return fmt.Sprintf("The role of %s says nothing about the card %q on network.%s, so that nothing keeps packets from leaving by it.",
			subject(g), l.Out, l.To)
	}
}

func (t *Topology) explainHost(l Link) string {
	n := t.network(l.From)
	if l.To != "" {
		return fmt.Sprintf("network.%s and network.%s are on one bridge.", l.From, l.To)
	}
	if n.Mode == config.Isolated {
		return fmt.Sprintf("The host has an address on network.%s and can pass packets on.", n.Name)
	}
	return fmt.Sprintf("network.%s leads to the outside: its mode is %q.", n.Name, n.Mode)
}

// remedy says in one sentence what to change about the step that left the inside networks, for packets that get outside
// by the last one.
func (t *Topology) remedy(leaving, last Link) string {
	g := t.guest(leaving.Guest)
	switch {
	case g == nil && t.network(leaving.From).Mode == config.Isolated:
		return "Remove the address of the host."
	case g == nil && t.shared(leaving.From):
		return fmt.Sprintf("Name another bridge of the host for network.%s.", leaving.From)
	case g == nil:
		return fmt.Sprintf("Remove mode from network.%s, so that it is an isolated one, or keep those who need a tunnel off it.", leaving.From)
	case leaving.From != "" && !leaving.Assumed:
		return "Remove this forward from the role: what comes from an inside network may go on into a tunnel alone."
	case g.cards[leaving.Out] == nil:
		return "Remove it, or give it to a guest of its own that passes on packets of tunnels alone."
	case last.From != leaving.To || last.Guest != "":
		return fmt.Sprintf("Remove this card, or what leads on from network.%s.", leaving.To)
	case g.carries(leaving.Out):
		return "Lead its tunnel through a guest that passes on packets of tunnels alone."
	}
	return "Remove this card, or put it on a network that a tunnel serves."
}

// shared reports whether a network that jeos makes has the bridge of this one.
func (t *Topology) shared(network string) bool {
	n := t.network(network)
	return slices.ContainsFunc(t.site.Networks, func(other config.Network) bool {
		return other.Name != network && other.Mode != config.Bridged && sameBridge(n, other)
	})
}

func (t *Topology) guest(name string) *guest {
	i := slices.IndexFunc(t.guests, func(g *guest) bool { return g.Name == name })
	if name == "" || i < 0 {
		return nil
	}
	return t.guests[i]
}

// list joins names as a sentence does: "a, b and c".
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// capital makes a word the first one of a sentence, unless it is the address of an object.
func capital(text string) string { return strings.Replace(text, "what bakes", "What bakes", 1) }

package builders

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"
)

const (
	// usualPriority is what libvirt gives to a rule that says none. Rules of a lower one come first.
	usualPriority = 500
	// lastPriority is for the rule that drops what no other one has accepted.
	lastPriority = 1000
)

// rule is one rule of a filter.
type rule struct {
	action    string // "accept", "drop" …
	direction string // as the guest sees it: "in", "out" or "inout"
	priority  int
	match     string      // the protocol: "mac", "arp", "ip", "ipv6" …
	fields    [][2]string // of that protocol, with their values; a frame must have all of them
}

// accept returns a rule that accepts frames. Fields are names and values in turn.
func accept(direction, match string, fields ...string) rule {
	r := rule{action: "accept", direction: direction, priority: usualPriority, match: match}
	for pair := range slices.Chunk(fields, 2) {
		r.fields = append(r.fields, [2]string(pair))
	}
	return r
}

func (r rule) element() *etree.Element {
	e := etree.NewElement("rule")
	e.CreateAttr("action", r.action)
	e.CreateAttr("direction", r.direction)
	e.CreateAttr("priority", strconv.Itoa(r.priority))
	match := e.CreateElement(r.match)
	for _, f := range r.fields {
		match.CreateAttr(f[0], f[1])
	}
	return e
}

// text returns the rule in a form that does not depend on how its definition is written.
func (r rule) text() string {
	slices.SortFunc(r.fields, func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(fieldRank(a[0]), fieldRank(b[0])), cmp.Compare(a[0], b[0]))
	})
	words := []string{r.direction, r.match}
	for _, f := range r.fields {
		words = append(words, f[0]+"="+canonicalField(f[1]))
	}
	text := strings.Join(words, " ") + ": " + r.action
	if r.priority != usualPriority {
		text += fmt.Sprintf(" (priority %d)", r.priority)
	}
	return text
}

// fieldRank orders the usual fields as people read them: who, to whom, what.
func fieldRank(name string) int {
	order := []string{
		"srcmacaddr", "srcmacmask", "srcipaddr", "srcipmask", "arpsrcmacaddr", "arpsrcipaddr",
		"dstmacaddr", "dstmacmask", "dstipaddr", "dstipmask", "protocol", "type", "typeend", "dstportstart", "dstportend",
	}
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

func canonicalField(value string) string {
	if a, err := netip.ParseAddr(value); err == nil {
		return a.String()
	}
	return strings.ToLower(value)
}

// readRules returns all that a filter consists of, one rule a line, sorted: the order of rules of the same priority makes no
// difference in filters that accept some and drop the rest.
func readRules(root *etree.Element) string {
	var lines []string
	for _, e := range root.ChildElements() {
		switch e.Tag {
		case "uuid":
		case "rule":
			lines = append(lines, readRule(e).text())
		default:
			lines = append(lines, "include "+describe(e))
		}
	}
	for _, a := range root.Attr {
		if a.Key != "name" && !(a.Key == "chain" && a.Value == "root") {
			lines = append(lines, a.Key+"="+a.Value)
		}
	}
	return joinLines(lines)
}

func readRule(e *etree.Element) rule {
	priority, err := strconv.Atoi(e.SelectAttrValue("priority", strconv.Itoa(usualPriority)))
	if err != nil { // which libvirt would never write
		priority = usualPriority
	}
	r := rule{action: e.SelectAttrValue("action", ""), direction: e.SelectAttrValue("direction", ""), priority: priority, match: "all"}
	for _, a := range e.Attr {
		if a.Key == "statematch" {
			r.fields = append(r.fields, [2]string{a.Key, a.Value})
		}
	}
	for _, match := range e.ChildElements() {
		r.match = match.Tag
		for _, a := range match.Attr {
			if a.Key != "comment" {
				r.fields = append(r.fields, [2]string{a.Key, a.Value})
			}
		}
	}
	return r
}

// describe returns the attributes of an element and of those in it.
func describe(e *etree.Element) string {
	var words []string
	for _, a := range e.Attr {
		words = append(words, a.Key+"="+a.Value)
	}
	for _, c := range e.ChildElements() {
		words = append(words, describe(c))
	}
	return strings.Join(words, " ")
}

// rulesText returns what readRules would read.
func rulesText(rules []rule) string {
	var lines []string
	for _, r := range rules {
		lines = append(lines, r.text())
	}
	return joinLines(lines)
}

func joinLines(lines []string) string {
	if len(lines) == 0 {
		return "none"
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func rulesDigest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

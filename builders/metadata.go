package builders

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/beevik/etree"

	"jeos/plan"
)

// markURI is the XML namespace of what jeos writes into the <metadata> of domains and networks.
const markURI = "urn:jeos:1"

// mark is the <metadata> of a domain or network of ours: whose it is, and what the last apply made of it.
//
//	<jeos:guest xmlns:jeos="urn:jeos:1" site="home" name="web" accel="kvm" seed="1">
//	  <jeos:attr name="memory">512MiB</jeos:attr>
//	</jeos:guest>
type mark struct {
	kind    plan.Kind // guest or network
	site    string
	name    string
	accel   string            // guest: "kvm" or "tcg"
	seed    int               // guest: generation of its seed
	kept    []string          // guest: disks that are in no file any more and must survive all the same, sorted
	applied map[string]string // values of the attributes that the last apply left
}

// element returns the mark as it stands in <metadata>.
func (m *mark) element() *etree.Element {
	e := etree.NewElement("jeos:" + string(m.kind))
	e.CreateAttr("xmlns:jeos", markURI)
	e.CreateAttr("site", m.site)
	e.CreateAttr("name", m.name)
	if m.kind == plan.KindGuest {
		e.CreateAttr("accel", m.accel)
		e.CreateAttr("seed", strconv.Itoa(m.seed))
		if len(m.kept) > 0 {
			e.CreateAttr("kept", strings.Join(m.kept, " "))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.applied)) {
		attr := e.CreateElement("jeos:attr")
		attr.CreateAttr("name", name)
		attr.SetText(m.applied[name])
	}
	return e
}

// markXML returns the mark as text, for libvirtxml.
func markXML(m *mark) (string, error) { return elementXML(m.element()) }

// readMark returns the mark in the metadata of a domain or network, or nil when there is none.
func readMark(root *etree.Element, kind plan.Kind) *mark {
	e := markElement(root, kind)
	if e == nil {
		return nil
	}
	m := &mark{
		kind:    kind,
		site:    e.SelectAttrValue("site", ""),
		name:    e.SelectAttrValue("name", ""),
		accel:   e.SelectAttrValue("accel", ""),
		kept:    strings.Fields(e.SelectAttrValue("kept", "")),
		applied: map[string]string{},
	}
	if m.seed, _ = strconv.Atoi(e.SelectAttrValue("seed", "")); m.seed < 0 || m.seed > maxGeneration {
		m.seed = 0
	}
	for _, attr := range e.SelectElements("attr") {
		m.applied[attr.SelectAttrValue("name", "")] = attr.Text()
	}
	return m
}

func markElement(root *etree.Element, kind plan.Kind) *etree.Element {
	metadata := root.SelectElement("metadata")
	if metadata == nil {
		return nil
	}
	for _, e := range metadata.ChildElements() {
		if e.Tag == string(kind) && e.NamespaceURI() == markURI {
			return e
		}
	}
	return nil
}

// editMark puts m in the place of the mark that is there. How the guest was made stays as it was recorded.
func editMark(root *etree.Element, m *mark) {
	metadata := child(root, "metadata")
	if old := readMark(root, m.kind); old != nil {
		metadata.RemoveChild(markElement(root, m.kind))
		m = m.keeping(old)
	}
	metadata.AddChild(m.element())
}

// nicNames returns the names of the network cards that the last apply left, by their MAC addresses.
func (m *mark) nicNames() map[string]string {
	names := map[string]string{}
	for attr, v := range m.applied {
		nic, isNIC := strings.CutPrefix(attr, "nic.")
		if fields := strings.Fields(v); isNIC && len(fields) >= 2 {
			names[fields[1]] = nic
		}
	}
	return names
}

// keeping returns m with what old has recorded of the first boot.
func (m *mark) keeping(old *mark) *mark {
	kept := *m
	kept.applied = maps.Clone(m.applied)
	maps.DeleteFunc(kept.applied, func(name, _ string) bool { return firstBoot(name) })
	for name, value := range old.applied {
		if firstBoot(name) {
			kept.applied[name] = value
		}
	}
	return &kept
}

// keeps returns the disks that must survive the guest.
func (m *mark) keeps() []string { return slices.Concat(strings.Fields(m.applied[attrKeep]), m.kept) }

// owner returns the name of the site's object that a domain or network is, or says in words why it is none. A copy that
// somebody made of a domain carries its mark too, but never its UUID.
func (m *mark) owner(site, uuid string) (name, why string) {
	switch {
	case m == nil:
		return "", "it carries no owner mark of jeos"
	case m.site != site:
		return "", "its owner mark names the site " + strconv.Quote(m.site)
	case uuid != derivedUUID(site, m.kind, m.name):
		return "", "it carries the owner mark of " + string(m.kind) + "." + m.name + " but another UUID, as a copy does"
	}
	return m.name, ""
}

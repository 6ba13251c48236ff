package builders

import (
	"strings"

	"github.com/beevik/etree"
)

// Arguments that a definition has libvirt pass to QEMU as they are. The files never ask for any. They can make devices that
// libvirt knows nothing of, network cards among them, so they are observed and taken out.

// argumentElements are the elements of libvirt's namespace for QEMU that hold them.
// https://libvirt.org/drvqemu.html#pass-through-of-arbitrary-qemu-commands
var argumentElements = []string{"commandline", "override"}

// readArguments returns the arguments in one line, with what is overridden as "property=value", or "".
func readArguments(root *etree.Element) string {
	var list []string
	for _, tag := range argumentElements {
		for _, e := range root.SelectElements(tag) {
			for _, part := range e.FindElements(".//*") {
				name, value := part.SelectAttrValue("name", ""), part.SelectAttrValue("value", "")
				switch {
				case name != "" && value != "":
					list = append(list, name+"="+value)
				case value != "":
					list = append(list, value)
				}
			}
		}
	}
	return strings.Join(list, " ")
}

func removeArguments(root *etree.Element) {
	for _, tag := range argumentElements {
		removeChildren(root, tag)
	}
}

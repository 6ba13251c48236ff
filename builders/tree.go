package builders

import (
	"encoding/xml"
	"errors"

	"github.com/beevik/etree"
)

// parseXML returns a document that libvirt wrote, and its root element.
func parseXML(text string) (*etree.Document, *etree.Element, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		return nil, nil, err
	}
	if doc.Root() == nil {
		return nil, nil, errors.New("empty XML document")
	}
	return doc, doc.Root(), nil
}

// elementXML returns an element as XML.
func elementXML(e *etree.Element) (string, error) {
	doc := etree.NewDocument()
	doc.SetRoot(e.Copy())
	return doc.WriteToString()
}

// addXML adds a libvirtxml value to the children of an element. It goes by pointer: the methods that write the type of a
// device have pointer receivers, and are passed over otherwise.
func addXML[T any](parent *etree.Element, v T) error {
	text, err := xml.Marshal(&v)
	if err != nil {
		return err
	}
	_, e, err := parseXML(string(text))
	if err != nil {
		return err
	}
	parent.AddChild(e)
	return nil
}

// child returns the first child element of that name, which it adds when there is none.
func child(e *etree.Element, name string) *etree.Element {
	if c := e.SelectElement(name); c != nil {
		return c
	}
	return e.CreateElement(name)
}

// renew puts a new element in the place of the first child of that name, or adds it when there is none.
func renew(e *etree.Element, name string) *etree.Element {
	c := etree.NewElement(name)
	if old := e.SelectElement(name); old != nil {
		e.InsertChildAt(old.Index(), c)
		e.RemoveChild(old)
	} else {
		e.AddChild(c)
	}
	return c
}

// removeChildren removes all child elements of that name.
func removeChildren(e *etree.Element, name string) {
	for _, c := range e.SelectElements(name) {
		e.RemoveChild(c)
	}
}

// text returns the text of the element at a path below e, or "" when there is none.
func text(e *etree.Element, path string) string {
	return e.FindElement(path).NotNil().Text()
}

// value returns an attribute of the element at a path below e, or "" when there is none.
func value(e *etree.Element, path, name string) string {
	return e.FindElement(path).NotNil().SelectAttrValue(name, "")
}

package fakevirt

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// identity is what a definition says of itself.
type identity struct {
	Name string `xml:"name"`
	UUID string `xml:"uuid"`
	Path string `xml:"target>path"`
}

func identify(text string) (identity, error) {
	var id identity
	if err := xml.Unmarshal([]byte(text), &id); err != nil {
		return id, fmt.Errorf("XML error: %w", err)
	}
	return id, nil
}

// volumeDefinition is the part of a volume's XML that matters here.
type volumeDefinition struct {
	XMLName  xml.Name `xml:"volume"`
	Name     string   `xml:"name"`
	Key      string   `xml:"key,omitempty"`
	Capacity struct {
		Unit  string `xml:"unit,attr"`
		Value int64  `xml:",chardata"`
	} `xml:"capacity"`
	Target struct {
		Path   string `xml:"path,omitempty"`
		Format struct {
			Type string `xml:"type,attr"`
		} `xml:"format"`
	} `xml:"target"`
	Backing *backing `xml:"backingStore"`
}

type backing struct {
	Path string `xml:"path"`
}

func parseVolume(text string) (string, *volume, error) {
	var d volumeDefinition
	if err := xml.Unmarshal([]byte(text), &d); err != nil {
		return "", nil, fmt.Errorf("XML error: %w", err)
	}
	units := map[string]int64{"": 1, "bytes": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	unit, ok := units[d.Capacity.Unit]
	if !ok {
		return "", nil, fmt.Errorf("XML error: unit %q", d.Capacity.Unit)
	}
	v := &volume{capacity: d.Capacity.Value * unit, format: d.Target.Format.Type}
	if d.Backing != nil {
		v.backing = d.Backing.Path
	}
	return d.Name, v, nil
}

func volumeXML(p *pool, name string) string {
	v := p.volumes[name]
	id, _ := identify(p.xml) // the pool was parsed when it was defined
	var d volumeDefinition
	d.Name, d.Key = name, id.Path+"/"+name
	d.Capacity.Unit, d.Capacity.Value = "bytes", v.capacity
	d.Target.Path, d.Target.Format.Type = d.Key, v.format
	if v.backing != "" {
		d.Backing = &backing{v.backing}
	}
	out, err := xml.MarshalIndent(d, "", "  ")
	if err != nil {
		panic(err) // plain data always encodes
	}
	return string(out)
}

// withoutDevice returns the domain XML without the device that says the same as device, and whether there was one.
func withoutDevice(domainXML, device string) (string, bool) {
	want := tokens(device)
	dec := xml.NewDecoder(strings.NewReader(domainXML))
	var path []string
	var start int64
	for {
		before := dec.InputOffset()
		tok, err := dec.RawToken()
		if err != nil {
			return domainXML, false
		}
		switch t := tok.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			if inDevices(path) {
				start = before
			}
		case xml.EndElement:
			end := dec.InputOffset()
			if inDevices(path) && slices.Equal(tokens(domainXML[start:end]), want) {
				return domainXML[:start] + domainXML[end:], true
			}
			path = path[:len(path)-1]
		}
	}
}

func inDevices(path []string) bool { return len(path) == 3 && path[1] == "devices" }

// tokens returns the elements, sorted attributes and texts of an XML fragment, in order and without white space.
func tokens(text string) []string {
	dec := xml.NewDecoder(strings.NewReader(text))
	var out []string
	for {
		tok, err := dec.RawToken()
		if err == io.EOF {
			return out
		}
		if err != nil {
			return append(out, err.Error())
		}
		switch t := tok.(type) {
		case xml.StartElement:
			var attrs []string
			for _, a := range t.Attr {
				attrs = append(attrs, a.Name.Local+"="+a.Value)
			}
			slices.Sort(attrs)
			out = append(out, "<"+t.Name.Local+" "+strings.Join(attrs, " "))
		case xml.EndElement:
			out = append(out, ">")
		case xml.CharData:
			if s := strings.TrimSpace(string(t)); s != "" {
				out = append(out, s)
			}
		}
	}
}

package imagestest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

const productsID = "com.ubuntu.cloud:released:download"

// published is the time of all files.
var published = time.Date(2026, 10, 2, 0, 0, 0, 0, time.UTC)

// serve answers as a server of files does.
func (p *Publisher) serve(w http.ResponseWriter, r *http.Request, fault Fault) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	content, isImage, tag := p.look(name, fault)
	if content == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", tag)
	if isImage {
		w.Header().Set("Content-Type", "application/octet-stream")
		if r.Method == http.MethodGet {
			w = p.cutter(w)
		}
	}
	http.ServeContent(w, r, path.Base(name), published, bytes.NewReader(content))
}

func (p *Publisher) look(name string, fault Fault) (content []byte, isImage bool, tag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	content, isImage = p.file(name, fault)
	return content, isImage, fmt.Sprintf("\"%d-%s\"", p.edition, hashOf(content)[:8])
}

// cutter lets the answer end early, if it is to.
func (p *Publisher) cutter(w http.ResponseWriter) http.ResponseWriter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cuts == 0 {
		return w
	}
	p.cuts--
	return &cutWriter{ResponseWriter: w, left: p.cut}
}

// file returns what is published under a path, nil when nothing is.
func (p *Publisher) file(name string, fault Fault) (content []byte, isImage bool) {
	for _, folder := range []string{"releases", "minimal/releases"} {
		switch name {
		case folder + "/streams/v1/index.sjson":
			return p.keys.clearsign(p.index(fault), fault), false
		case folder + "/streams/v1/" + productsID + ".sjson":
			return p.keys.clearsign(p.products(folder, fault), fault), false
		}
	}
	for _, i := range p.images {
		switch name {
		case i.path():
			return i.content(fault), true
		case i.manifestPath():
			if i.Manifest != "" {
				return []byte(i.Manifest), false
			}
		case path.Dir(i.path()) + "/SHA256SUMS":
			return p.sums(path.Dir(i.path())), false
		case path.Dir(i.path()) + "/SHA256SUMS.gpg":
			return p.keys.detached(p.sums(path.Dir(i.path())), fault), false
		}
	}
	return nil, false
}

func (i Image) content(fault Fault) []byte {
	switch fault {
	case Gone:
		return nil
	case Truncated:
		return i.Content[:len(i.Content)/2]
	case OtherContent:
		other := bytes.Clone(i.Content)
		other[len(other)-1]++
		return other
	}
	return i.Content
}

func (p *Publisher) sums(dir string) []byte {
	var b bytes.Buffer
	for _, i := range p.images {
		if path.Dir(i.path()) != dir {
			continue
		}
		fmt.Fprintf(&b, "%s *%s\n", hashOf(i.Content), path.Base(i.path()))
		if i.Manifest != "" {
			fmt.Fprintf(&b, "%s *%s\n", hashOf([]byte(i.Manifest)), path.Base(i.manifestPath()))
		}
	}
	return b.Bytes()
}

type object = map[string]any

// index lists the images to download, and one of another kind.
func (p *Publisher) index(fault Fault) []byte {
	format := "index:1.0"
	if fault == OtherIndex {
		format = "index:2.0"
	}
	return encode(object{
		"format": format,
		"index": object{
			productsID: object{
				"datatype": "image-downloads", "format": "products:1.0", "path": "streams/v1/" + productsID + ".sjson",
			},
			"com.ubuntu.cloud:released:aws": object{
				"datatype": "image-ids", "format": "products:1.0", "path": "streams/v1/com.ubuntu.cloud:released:aws.sjson",
			},
		},
	})
}

func (p *Publisher) products(folder string, fault Fault) []byte {
	format, id := "products:1.0", productsID
	switch fault {
	case OtherProducts:
		format = "products:2.0"
	case MixedUp:
		id = "com.ubuntu.cloud.daily:download"
	}
	products := object{}
	for _, i := range p.images {
		if i.folder() != folder {
			continue
		}
		name := fmt.Sprintf("com.ubuntu.cloud:%s:%s:%s", i.Flavour, i.Version, i.Arch)
		product, ok := products[name].(object)
		if !ok {
			product = object{
				"aliases": i.Version + "," + i.Release[:1] + "," + i.Release, "arch": i.Arch, "os": "ubuntu",
				"release": i.Release, "version": i.Version, "versions": object{},
			}
			products[name] = product
		}
		product["versions"].(object)[i.Serial] = i.version()
	}
	return encode(object{"format": format, "content_id": id, "datatype": "image-downloads", "products": products})
}

func (i Image) version() object {
	label := i.Label
	if label == "" {
		label = "release"
		if i.Flavour == "minimal" {
			label = "minimal release"
		}
	}
	items := object{
		"disk1.img": object{"ftype": "disk1.img", "path": i.itemPath(), "sha256": hashOf(i.Content), "size": len(i.Content)},
		"squashfs":  object{"ftype": "squashfs", "path": strings.TrimSuffix(i.itemPath(), ".img") + ".squashfs", "sha256": hashOf(nil), "size": 1},
	}
	if i.Manifest != "" {
		items["manifest"] = object{
			"ftype": "manifest", "path": strings.TrimSuffix(i.itemPath(), ".img") + ".manifest",
			"sha256": hashOf([]byte(i.Manifest)), "size": len(i.Manifest),
		}
	}
	return object{"label": label, "items": items}
}

func encode(document object) []byte {
	data, err := json.MarshalIndent(document, "", " ")
	if err != nil {
		panic(err)
	}
	return data
}

// cutWriter closes the connection after some bytes.
type cutWriter struct {
	http.ResponseWriter
	left int64
}

func (w *cutWriter) Write(data []byte) (int, error) {
	if int64(len(data)) <= w.left {
		w.left -= int64(len(data))
		return w.ResponseWriter.Write(data)
	}
	_, _ = w.ResponseWriter.Write(data[:w.left])
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

package config

import (
	"errors"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// lockSchemas are what may stand in the blocks of the lock file.
var lockSchemas = map[string]schema{
	"image": {
		required: []string{"wants", "url", "sha256", "file_size", "format", "size"},
		optional: []string{"serial", "signer", "manifest_url", "manifest_sha256"},
	},
	"bake":     {required: []string{"serial"}},
	"endpoint": {required: []string{"addresses"}},
	"address":  {required: []string{"network", "addresses"}},
}

var lockBlocks = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "image", LabelNames: []string{"name"}},
	{Type: "bake", LabelNames: []string{"image"}},
	{Type: "endpoint", LabelNames: []string{"host"}},
	{Type: "address", LabelNames: []string{"guest", "nic"}},
}}

// readLock reads the lock file, if there is one. Entries that no longer fit are found out by those who need them.
func (l *loader) readLock() {
	path := filepath.Join(l.opt.Dir, LockFile)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return
	}
	l.lockBroken = !l.intact(func() { l.readLockFile(path) })
}

func (l *loader) readLockFile(path string) {
	src, err := readText(path, LockFile, maxFile)
	if err != nil {
		l.add(hcl.Range{Filename: path, Start: hcl.InitialPos, End: hcl.InitialPos}, "Unreadable file",
			"The lock file cannot be used: %s.%s", err, lockFileRemedy)
		return
	}
	l.files[path] = &hcl.File{Bytes: src}
	file, diags := parse(src, path)
	if l.addLock(diags); diags.HasErrors() {
		return
	}
	l.files[path] = file
	content, diags := file.Body.Content(lockBlocks)
	l.addLock(diags)
	seen := map[string]bool{}
	for _, b := range content.Blocks {
		args, _, diags := lockSchemas[b.Type].read(b.Body)
		if l.addLock(diags); diags.HasErrors() {
			continue
		}
		key := strings.Join(append([]string{b.Type}, b.Labels...), "\x00")
		e := lockEntry{l, b, args}
		if seen[key] {
			e.wrong(b.DefRange, "There is an entry of this name already.")
			continue
		}
		seen[key] = true
		e.read()
	}
}

const lockFileRemedy = " Restore the file from version control, or remove it to have images locked and addresses assigned anew."

// addLock collects the first of HCL's diagnostics about the lock file. Nobody writes that file by hand, so that one broken
// place tells what to do.
func (l *loader) addLock(diags hcl.Diagnostics) {
	told := slices.ContainsFunc(l.diags, func(d *hcl.Diagnostic) bool { return strings.HasSuffix(d.Detail, lockFileRemedy) })
	if len(diags) > 0 && !told {
		diags[0].Detail += lockFileRemedy
		l.diags = append(l.diags, diags[0])
	}
}

// lockEntry reads one block of the lock file. Its methods report what is wrong with an argument and then return nothing.
type lockEntry struct {
	*loader
	block *hcl.Block
	args  map[string]*hcl.Attribute
}

// read adds the entry to the lock unless something is wrong with it.
func (e lockEntry) read() {
	switch e.block.Type {
	case "image":
		entry := LockedImage{}
		if e.intact(func() { entry = e.image() }) {
			e.lock.SetImage(entry)
		}
	case "bake":
		e.lock.SetBake(LockedBake{Image: e.block.Labels[0], Serial: int(e.number("serial", 1<<31-1))})
	case "endpoint":
		entry := LockedEndpoint{Host: e.block.Labels[0]}
		if e.intact(func() { entry.Addresses = e.endpoints() }) {
			e.lock.SetEndpoint(entry)
		}
	case "address":
		entry := LockedAddress{Guest: e.block.Labels[0], NIC: e.block.Labels[1]}
		if e.intact(func() {
			entry.Network, entry.Addresses = e.text("network", words.Matching(nameRE, "name", "")), e.addresses()
		}) {
			e.lock.setAddress(entry)
		}
	}
}

var (
	sha256RE = regexp.MustCompile(`^[0-9a-f]{64}$`)
	serialRE = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)
	signerRE = regexp.MustCompile(`^([0-9A-F]{40}|[0-9A-F]{64})$`) // fingerprints of OpenPGP: RFC 4880 and RFC 9580
)

func (e lockEntry) image() LockedImage {
	hash := words.Matching(sha256RE, "hash", "")
	entry := LockedImage{
		Name:     e.block.Labels[0],
		Wants:    e.text("wants", words.CheckLine),
		URL:      e.text("url", checkFileURL),
		SHA256:   e.text("sha256", hash),
		FileSize: e.number("file_size", maxImage),
		Format:   e.text("format", oneOf("qcow2", "raw")),
		Size:     e.number("size", maxImage),
		Serial:   e.text("serial", words.Matching(serialRE, "serial", "")),
		Signer:   e.text("signer", words.Matching(signerRE, "fingerprint", "")),

		ManifestURL:    e.text("manifest_url", checkFileURL),
		ManifestSHA256: e.text("manifest_sha256", hash),
	}
	if (entry.ManifestURL == "") != (entry.ManifestSHA256 == "") {
		e.wrong(e.block.DefRange, "Of manifest_url and manifest_sha256 one alone is here.")
	}
	return entry
}

const maxImage = 64 * TiB

// wrong reports what is wrong with the entry, in a sentence.
func (e lockEntry) wrong(at hcl.Range, problem string) {
	remedy := "Restore the file from version control, or remove this block to have its addresses assigned anew."
	switch e.block.Type {
	case "image":
		remedy = `Restore the file from version control, or remove this block and run "jeos lock".`
	case "endpoint":
		remedy = `Restore the file from version control, or remove this block and run "jeos lock".`
	case "bake":
		remedy = "Restore the file from version control, or remove this block to bake the image anew under its first serial."
	}
	e.add(at, "Invalid lock file", "%s %s", problem, remedy)
}

// value returns the value of an argument that is written out. Not ok means that there is none.
func (e lockEntry) value(name string) (cty.Value, bool) {
	attr := e.args[name]
	if attr == nil {
		return cty.NilVal, false
	}
	if !isLiteral(attr.Expr) {
		e.wrong(attr.Expr.Range(), "Here stands something that jeos does not write.")
		return cty.NilVal, false
	}
	value, _ := attr.Expr.Value(nil) // a literal always has one
	return value, true
}

// isLiteral reports whether an expression is a string, a number or a list of them, so that evaluating it is simple.
func isLiteral(expr hcl.Expression) bool {
	switch expr := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return expr.Val.Type() == cty.Number
	case *hclsyntax.TemplateExpr:
		return expr.IsStringLiteral() || len(expr.Parts) == 0
	case *hclsyntax.TupleConsExpr:
		return !slices.ContainsFunc(expr.Exprs, func(e hclsyntax.Expression) bool { return !isLiteral(e) })
	}
	return false
}

// text returns a string that passes the check; "" when it is not there.
func (e lockEntry) text(name string, c words.Check) string {
	value, ok := e.value(name)
	if !ok {
		return ""
	}
	if value.Type() != cty.String || value.AsString() == "" || c(value.AsString()) != "" {
		e.wrong(e.args[name].Expr.Range(), "This is no "+name+".")
		return ""
	}
	return value.AsString()
}

// number returns a whole number from 1 to most.
func (e lockEntry) number(name string, most int64) int64 {
	value, ok := e.value(name)
	if !ok {
		return 0
	}
	n, accuracy := int64(0), big.Below
	if value.Type() == cty.Number {
		n, accuracy = value.AsBigFloat().Int64()
	}
	if accuracy != big.Exact || n < 1 || n > most {
		e.wrong(e.args[name].Expr.Range(), "This is no "+name+".")
		return 0
	}
	return n
}

func (e lockEntry) addresses() (addresses []netip.Addr) {
	value, ok := e.value("addresses")
	if !ok {
		return nil
	}
	at := e.args["addresses"].Expr.Range()
	if !value.Type().IsTupleType() {
		e.wrong(at, "Addresses must be a list.")
		return nil
	}
	for it := value.ElementIterator(); it.Next(); {
		_, v := it.Element()
		addr := netip.Addr{}
		if v.Type() == cty.String {
			addr, _ = netip.ParseAddr(v.AsString())
		}
		if !addr.IsValid() || addr.Zone() != "" {
			e.wrong(at, "This list holds something that is no address.")
			return nil
		}
		addresses = append(addresses, addr)
	}
	return addresses
}

// endpoints returns the addresses of a host on the network, sorted.
func (e lockEntry) endpoints() []netip.Addr {
	if problem := checkHost(e.block.Labels[0]); problem != "" {
		e.wrong(e.block.LabelRanges[0], "This is no name of a host.")
	}
	before := len(e.diags)
	addresses := e.addresses()
	for _, addr := range addresses {
		if problem := CheckEndpoint(addr); problem != "" {
			e.wrong(e.args["addresses"].Expr.Range(), "The address "+problem+".")
		}
	}
	if len(addresses) == 0 && len(e.diags) == before {
		e.wrong(e.args["addresses"].Expr.Range(), "A host has at least one address.")
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}

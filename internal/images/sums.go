package images

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"
)

// resolveURL finds out the hash of the file at a URL, if the request does not give it.
func (c *Client) resolveURL(ctx context.Context, r Request) (Remote, error) {
	address, err := parseAddress(r.URL)
	if err != nil {
		return Remote{}, err
	}
	if r.SHA256 == "" {
		return c.resolveSums(ctx, r, address)
	}
	if !isHash(r.SHA256) {
		return Remote{}, fmt.Errorf("%q is no SHA-256 in lower-case hex", r.SHA256)
	}
	return Remote{URL: r.URL, SHA256: r.SHA256}, nil
}

// resolveSums takes the hash from the signed list in the folder of the file: SHA256SUMS with its signature in
// SHA256SUMS.gpg, or a signed message with the list in it as SHA256SUMS.gpg.
func (c *Client) resolveSums(ctx context.Context, r Request, address *url.URL) (Remote, error) {
	keys, err := openKeyring(r.Keyring)
	if err != nil {
		return Remote{}, err
	}
	name := path.Base(address.Path)
	folder := address.JoinPath("..")
	folder.RawQuery, folder.Fragment = "", ""
	sumsURL := folder.JoinPath("SHA256SUMS").String()

	signature, err := c.document(ctx, sumsURL+".gpg")
	if err != nil {
		return Remote{}, fmt.Errorf("the hash of %s is not known, and has to come from a signed list beside it, or from checksum: %w", ShownURL(r.URL), err)
	}
	var text []byte
	var signer string
	if isMessage(signature) {
		text, signer, err = keys.openMessage(signature, time.Now())
	} else if text, err = c.document(ctx, sumsURL); err != nil {
		return Remote{}, err
	} else {
		signer, err = keys.checkDetached(text, signature, time.Now())
	}
	if err != nil {
		return Remote{}, fmt.Errorf("%s %w", ShownURL(sumsURL), err)
	}
	sums, err := parseSums(text)
	if err != nil {
		return Remote{}, fmt.Errorf("%s %w", ShownURL(sumsURL), err)
	}
	if sums[name] == "" {
		return Remote{}, fmt.Errorf("%s does not name %s: look at the address of the image", ShownURL(sumsURL), name)
	}
	found := Remote{URL: r.URL, SHA256: sums[name], Signer: signer}
	manifest := strings.TrimSuffix(name, path.Ext(name)) + ".manifest"
	if sums[manifest] != "" {
		found.ManifestURL, found.ManifestSHA256 = folder.JoinPath(manifest).String(), sums[manifest]
	}
	return found, nil
}

// sumsLine is a line as sha256sum writes it.
var sumsLine = regexp.MustCompile(`^([0-9a-fA-F]{64}) [ *](?:\./)?(.+)$`)

// parseSums returns the hashes by the names of the files. A name with two hashes is an error, and so is a line that is
// not as sha256sum writes it.
func parseSums(text []byte) (map[string]string, error) {
	sums := map[string]string{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		match := sumsLine.FindStringSubmatch(line)
		if match == nil {
			return nil, fmt.Errorf("has a line %d that is no hash and name", number)
		}
		hash, name := strings.ToLower(match[1]), match[2]
		if known := sums[name]; known != "" && known != hash {
			return nil, fmt.Errorf("names %s twice, with two hashes", name)
		}
		sums[name] = hash
	}
	return sums, nil
}

//go:build lab

package openvpn_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"jeos/internal/openvpn"
)

// authority is a certificate with its key, of its own making.
type authority struct{ certificate, key, crl, fingerprint string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature, SubjectKeyId: []byte{1},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: template.NotBefore, NextUpdate: template.NotAfter}, template, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(label string, raw []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: raw}))
	}
	return authority{block("CERTIFICATE", raw), block("PRIVATE KEY", private), block("X509 CRL", list), fmt.Sprintf("% x", sha256.Sum256(raw))}
}

func tagged(tag, text string) string { return "<" + tag + ">\n" + text + "</" + tag + ">\n" }

// try starts OpenVPN with settings and lines such as jeos writes after them, towards a port where nobody listens. It
// returns what OpenVPN says until it has taken its whole configuration, keys and all, and looks for its server, or ends.
func try(t *testing.T, settings, proto string) (out string, accepted bool) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "client.conf")
	login := filepath.Join(dir, "login")
	own := fmt.Sprintf("client\ndev null\nproto %s\nremote 127.0.0.1 9\nnobind\nauth-user-pass %s\nauth-nocache\nroute-nopull\nscript-security 2\n"+
		"connect-retry-max 1\nresolv-retry 0\npull-filter ignore \"ping\"\nverb 4\n", proto, login)
	if err := os.WriteFile(path, []byte(settings+own), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(login, []byte("me\nsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openvpn", "--config", path)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(pipe); !accepted && lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		accepted = strings.Contains(lines.Text(), "Attempting to establish TCP connection") || strings.Contains(lines.Text(), "UDPv4 link remote: [AF_INET]127.0.0.1:9")
	}
	cmd.Process.Kill() // it may have ended already
	cmd.Wait()
	return said.String(), accepted
}

// TestLabOpenVPNAccepts gives OpenVPN what is kept of a profile that has every directive of which something is kept.
func TestLabOpenVPNAccepts(t *testing.T) {
	a := newAuthority(t)
	v2, err := exec.Command("sh", "-c", "cd \"$0\" && openvpn --genkey tls-crypt-v2-server s.key && openvpn --tls-crypt-v2 s.key --genkey tls-crypt-v2-client c.key && cat c.key", t.TempDir()).Output()
	if err != nil {
		t.Fatal(err)
	}
	common := "remote vpn.example.net\n" + tagged("auth-user-pass", "me\nsecret\n") + tagged("ca", a.certificate)
	fingerprint := strings.ReplaceAll(a.fingerprint, " ", ":")
	for _, c := range []struct{ name, text string }{
		{"least", ""},
		{"certificates", tagged("cert", a.certificate) + tagged("key", a.key) + tagged("extra-certs", a.certificate) + tagged("crl-verify", a.crl)},
		{"tls-auth", tagged("tls-auth", static(32)+"\n") + "key-direction 1\nauth SHA512\n"},
		{"tls-crypt", tagged("tls-crypt", static(32)+"\n")},
		{"tls-crypt-v2", tagged("tls-crypt-v2", string(v2))},
		{"fingerprints", tagged("peer-fingerprint", fingerprint+"\n") + "peer-fingerprint " + fingerprint + "\n"},
		{"hash", "verify-hash " + fingerprint + " SHA256\n"},
		{"hashes", tagged("verify-hash", fingerprint+"\n"+fingerprint+"\n")},
		{"names", "verify-x509-name \"C=DE, CN=a \\\"b\\\" \\\\c\" subject\nremote-cert-tls server\nremote-cert-ku a0 88\nremote-cert-eku \"TLS Web Server Authentication\"\n"},
		{"ciphers", "cipher AES-256-CBC\ndata-ciphers DEFAULT:?AES-256-CBC:none\ndata-ciphers-fallback AES-128-CBC\nauth sha256\n"},
		{"more ciphers", "data-ciphers AES-192-GCM:CAMELLIA-256-CBC:ARIA-128-GCM:aes-128-ofb:AES-256-CFB8\n"},
		{"tls", "tls-version-min 1.2 or-highest\ntls-version-max 1.3\ntls-cipher DEFAULT:!aNULL:@SECLEVEL=1\ntls-ciphersuites TLS_AES_256_GCM_SHA384\ntls-groups X25519:prime256v1\ntls-cert-profile preferred\n"},
		{"old curve", "ecdh-curve secp384r1\n"},
		{"windows", "reneg-sec 0 10\nreneg-bytes 0\nreneg-pkts 0\ntls-timeout 2\nhand-window 60\ntran-window 3600\nreplay-window 64 15\n"},
		{"sizes", "tun-mtu 1500\nmssfix 1450 mtu\nsndbuf 393216\nrcvbuf 393216\ntxqueuelen 1000\ntopology subnet\nremote-random\nsocket-flags TCP_NODELAY\n"},
		{"more sizes", "tun-mtu-extra 32\nmssfix\nlink-mtu 1500\n"},
		{"compression", "compress lz4\nallow-compression asym\n"},
		{"old compression", "comp-lzo no\n"},
		{"stub", "compress\n"},
		{"filters", "pull-filter ignore \"route 10.\"\npull-filter ignore auth-token\n"},
		{"datagrams", "fragment 1300\nexplicit-exit-notify 2\nfast-io\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, proto := range []string{"tcp", "udp"} {
				p, _, problems := openvpn.Parse([]byte("proto "+proto+"\n"+common+c.text), nil)
				if len(problems) > 0 {
					t.Fatalf("problems: %+v", problems)
				}
				if out, accepted := try(t, p.Settings, proto); !accepted {
					t.Errorf("with %s OpenVPN says\n%s\nof\n%s", proto, out, p.Settings)
				}
			}
		})
	}
	t.Run("a wrong line is seen", func(t *testing.T) {
		p, _, _ := openvpn.Parse([]byte(common), nil)
		if out, accepted := try(t, p.Settings+"no-such-directive x\n", "tcp"); accepted {
			t.Errorf("OpenVPN takes anything:\n%s", out)
		}
	})
}

// TestLabOpenVPNNames checks that every option of OpenVPN is known, so that what is dropped can be named.
func TestLabOpenVPNNames(t *testing.T) {
	help, _ := exec.Command("openvpn", "--help").Output() // its exit status is 1
	names := regexp.MustCompile(`(?m)^--([a-z0-9-]+)`).FindAllStringSubmatch(string(help), -1)
	if len(names) < 200 {
		t.Fatalf("OpenVPN tells only %d options:\n%s", len(names), help)
	}
	for _, name := range names {
		_, notices, problems := openvpn.Parse([]byte(name[1]), nil)
		for _, n := range notices {
			if n.Directive == "" {
				t.Errorf("%s is not known", name[1])
			}
		}
		for _, p := range problems {
			if p.Line > 0 && p.Directive == "" {
				t.Errorf("%s is not known", name[1])
			}
		}
	}
}

// TestLabOpenVPNRemotes compares the servers of a profile with those that OpenVPN finds in it.
func TestLabOpenVPNRemotes(t *testing.T) {
	a := newAuthority(t)
	for _, c := range []struct{ name, text string }{
		{"defaults", "remote 198.51.100.1\n"},
		{"order", "remote 198.51.100.2 5 udp\nremote 198.51.100.1\nproto tcp\nport 99\n"},
		{"rport", "rport 7\nlport 8\nremote 198.51.100.1\n"},
		{"connections", "proto tcp\n<connection>\nremote 198.51.100.1 5\nport 443\n</connection>\nproto udp\nport 3\n  <connection>\n\tremote 198.51.100.2\n\t</connection> x\nremote 198.51.100.3\n"},
		{"quotes", "--remote \"198.51.100.1\" '5' # x\n;remote 198.51.100.2\n"},
		{"tag in quotes", "\"<connection>\"\nremote 198.51.100.1\n</connection>x\n--<connection>\nremote 198.51.100.2\n</connection>\n"},
		{"setenv opt", "setenv opt remote 198.51.100.1 5\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "client\ndev null\nauth-user-pass\n" + tagged("ca", a.certificate) + c.text
			p, _, problems := openvpn.Parse([]byte(text), nil)
			if len(problems) > 0 {
				t.Fatalf("problems: %+v", problems)
			}
			path := filepath.Join(t.TempDir(), "client.ovpn")
			// It shows its parameters, and then finds nobody to ask for a password.
			if err := os.WriteFile(path, []byte(text+"verb 4\nauth-user-pass /dev/null\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ := exec.Command("openvpn", "--config", path).CombinedOutput()
			var want []string
			for _, r := range p.Remotes {
				want = append(want, fmt.Sprintf("%s %d %s", r.Host, r.Port, r.Proto))
			}
			if got := profiles(string(out)); strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("OpenVPN finds %q, Parse %q\n%s", got, want, out)
			}
		})
	}
}

// profiles returns the connection profiles that OpenVPN shows.
func profiles(out string) []string {
	var all []string
	var proto, host string
	for line := range strings.Lines(out) {
		_, shown, _ := strings.Cut(line, " us=")
		_, shown, _ = strings.Cut(shown, " ")
		key, value, _ := strings.Cut(strings.TrimSpace(shown), " = ")
		value = strings.Trim(value, "'")
		switch key {
		case "proto":
			proto = strings.TrimSuffix(value, "-client")
		case "remote":
			host = value
		case "remote_port":
			all = append(all, fmt.Sprintf("%s %s %s", host, value, proto))
		}
	}
	return all
}

package openvpn_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/openvpn"
)

const (
	certificate = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"
	privateKey  = "-----BEGIN PRIVATE KEY-----\nREVG\n-----END PRIVATE KEY-----"
	crl         = "-----BEGIN X509 CRL-----\nR0hJ\n-----END X509 CRL-----"
	ca          = "<ca>\n" + certificate + "\n</ca>\n"
	minimal     = "client\ndev tun\nremote vpn.example.net\nauth-user-pass\n" + ca
)

// static is a static key of OpenVPN in lines of some width.
func static(width int) string {
	var b strings.Builder
	b.WriteString("-----BEGIN OpenVPN Static key V1-----\n")
	for i := 0; i < 512; i += width {
		b.WriteString(strings.Repeat("5a", width/2) + "\n")
	}
	return b.String() + "-----END OpenVPN Static key V1-----"
}

// beside are the files beside the profiles of these tests.
func beside(name string) ([]byte, error) {
	text, ok := map[string]string{
		"ca.crt":          "Certificate:\n  Data: of a human\n" + certificate + "\r\n",
		"keys/client.crt": certificate,
		"keys/client.key": privateKey,
		"crl.pem":         crl,
		"ta.key":          "#\n# 2048 bit OpenVPN static key\n#\n" + static(32) + "\n",
		"client.p12":      "\x00\x01\xff",
		"login":           "user\r\np ss;#\"\r\n",
		"empty":           "",
	}[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func lines(s ...string) string { return strings.Join(s, "\n") + "\n" }

// settings parses what must have no problems and returns the settings without the ca of minimal.
func settings(t *testing.T, text string) string {
	t.Helper()
	p, _, problems := openvpn.Parse([]byte(text), beside)
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	return strings.Replace(p.Settings, ca, "", 1)
}

func TestRemotes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []openvpn.Remote
	}{
		{"defaults", "remote a.example", []openvpn.Remote{{"a.example", 1194, "udp"}}},
		{"all said", "remote a.example 443 tcp-client", []openvpn.Remote{{"a.example", 443, "tcp"}}},
		{"defaults after it", lines("remote a.example", "proto tcp4", "port 99"), []openvpn.Remote{{"a.example", 99, "tcp"}}},
		{"rport", lines("rport 7", "lport 8", "remote a.example"), []openvpn.Remote{{"a.example", 7, "udp"}}},
		{"order and doubles", lines("remote b.example 1 udp4", "remote a.example 1", "remote B.Example. 1 udp"), []openvpn.Remote{{"b.example", 1, "udp"}, {"a.example", 1, "udp"}}},
		{"addresses", lines("remote 198.51.100.10", "remote 2001:DB8:0::1 53 udp6", "remote ::ffff:192.0.2.1"),
			[]openvpn.Remote{{"198.51.100.10", 1194, "udp"}, {"2001:db8::1", 53, "udp"}, {"192.0.2.1", 1194, "udp"}}},
		{"proto-force", lines("remote a.example 1 tcp", "remote a.example 1 udp", "proto-force tcp"), []openvpn.Remote{{"a.example", 1, "tcp"}}},
		{"connections", lines("proto tcp", "<connection>", "remote a.example 5", "port 443", "</connection>", "proto udp", "<connection>", " remote b.example ", " fragment 1200", "</connection>", "remote c.example"),
			[]openvpn.Remote{{"a.example", 443, "tcp"}, {"b.example", 1194, "udp"}}},
		{"setenv opt", "setenv opt remote a.example 5", []openvpn.Remote{{"a.example", 5, "udp"}}},
		{"quoted and with dashes", `--remote "a.example" '5'`, []openvpn.Remote{{"a.example", 5, "udp"}}},
		{"underscore", "remote _x.a_b.example", []openvpn.Remote{{"_x.a_b.example", 1194, "udp"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, problems := openvpn.Parse([]byte("auth-user-pass\n"+ca+c.text), nil)
			if len(problems) > 0 {
				t.Fatalf("problems: %+v", problems)
			}
			if diff := cmp.Diff(c.want, p.Remotes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestKept shows for each directive of which something is kept what becomes of it.
func TestKept(t *testing.T) {
	block := func(tag, text string) string { return "<" + tag + ">\n" + text + "\n</" + tag + ">\n" }
	fingerprint := strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	for _, c := range []struct{ name, text, want string }{
		{"blanks, quotes and comments", "\t \"reneg-sec\"  '0'  # never\r\n;verb 9\n#up x\n\n", "reneg-sec 0\n"},
		{"dashes", "--reneg-sec 0", "reneg-sec 0\n"},
		{"the last one counts", "reneg-sec 1\nreneg-sec 2\n", "reneg-sec 2\n"},
		{"numbers", "tun-mtu 1500\ntun-mtu-extra 32\nmssfix\nfragment 1300 mtu\nreplay-window 64 15\n", "tun-mtu 1500\ntun-mtu-extra 32\nmssfix\nfragment 1300 mtu\nreplay-window 64 15\n"},
		{"flags", "fast-io\nremote-random\nexplicit-exit-notify\n", "fast-io\nremote-random\nexplicit-exit-notify\n"},
		{"udp only", "proto tcp\nfast-io\nexplicit-exit-notify 2\nfragment 1300\nmssfix 1300\n", "mssfix 1300\n"},
		{"names", `verify-x509-name "C=DE, CN=a \"b\" \\c" subject` + "\nremote-cert-tls server\nremote-cert-ku 80 08 88\n", `verify-x509-name "C=DE, CN=a \"b\" \\c" subject` + "\nremote-cert-tls server\nremote-cert-ku 80 08 88\n"},
		{"ciphers", "cipher aes-256-cbc\ndata-ciphers AES-256-GCM:?CHACHA20-POLY1305:BF-CBC\ndata-ciphers-fallback AES-128-CBC\nauth sha512\n",
			"auth SHA512\ndata-ciphers AES-256-GCM:CHACHA20-POLY1305\ndata-ciphers-fallback AES-128-CBC\ncipher AES-256-CBC\n"},
		{"ciphers of old and new", "cipher BF-CBC\nncp-ciphers DEFAULT:AES-256-CBC\nauth none\n", "data-ciphers AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305:AES-256-CBC\n"},
		{"tls", "tls-version-min 1.2 or-highest\ntls-cipher DEFAULT:!aNULL:@SECLEVEL=0\ntls-groups X25519:P-256\ntls-cert-profile preferred\n", "tls-version-min 1.2 or-highest\ntls-cipher DEFAULT:!aNULL:@SECLEVEL=0\ntls-groups X25519:P-256\ntls-cert-profile preferred\n"},
		{"weak tls", "tls-version-min 1.0\ntls-version-max 1.1\ntls-cipher ALL:aNULL\ntls-cert-profile insecure\nallow-compression yes\n", ""},
		{"weak suites", "tls-cipher ECDHE-RSA-NULL-SHA:HIGH\ntls-ciphersuites TLS_AES_256_GCM_SHA384\n", "tls-ciphersuites TLS_AES_256_GCM_SHA384\n"},
		{"suites without weak ones", "tls-cipher HIGH:!aNULL:-MD5:!LOW\n", "tls-cipher HIGH:!aNULL:-MD5:!LOW\n"},
		{"weak fallback", "data-ciphers-fallback BF-CBC\n", ""},
		{"compression", "comp-lzo\ncompress lz4-v2\nallow-compression no\n", "comp-lzo\ncompress lz4-v2\nallow-compression no\n"},
		{"filters", "pull-filter ignore \"route 10.\"\npull-filter ignore auth-token\npull-filter accept route\npull-filter reject x\n", "pull-filter ignore \"route 10.\"\npull-filter ignore \"auth-token\"\n"},
		{"setenv", "setenv opt tun-mtu 1400\nsetenv opt up /bin/sh\nsetenv PATH /tmp\nsetenv opt setenv opt reneg-sec 5\n", "tun-mtu 1400\nreneg-sec 5\n"},
		{"inline tls-auth", "key-direction 1\n" + block("tls-auth", "# comment\n"+static(32)+"\nup /bin/sh"), "key-direction 1\n" + block("tls-auth", static(64))},
		{"tls-auth file", "tls-auth ta.key 1", "key-direction 1\n" + block("tls-auth", static(64))},
		{"announced inline", "tls-auth [inline] 1\n" + block("tls-auth", static(16)), "key-direction 1\n" + block("tls-auth", static(64))},
		{"tls-crypt", block("tls-crypt", static(32)), block("tls-crypt", static(64))},
		{"certificates of files", "cert keys/client.crt\nkey ./keys/client.key\ncrl-verify crl.pem\n", block("cert", certificate) + block("key", privateKey) + block("crl-verify", crl)},
		{"two certificates", block("extra-certs", certificate+"\nup /bin/sh\n"+certificate), block("extra-certs", certificate+"\n"+certificate)},
		{"fingerprints", block("peer-fingerprint", " "+fingerprint+" \n\n# x\n"+fingerprint), block("peer-fingerprint", fingerprint+"\n"+fingerprint)},
		{"a fingerprint", "verify-hash " + fingerprint + " SHA256\n", "verify-hash " + fingerprint + " SHA256\n"},
		{"pkcs12 inline", block("pkcs12", " QUJD\r\nREVG\r"), block("pkcs12", "QUJDREVG")},
		{"pkcs12 file", "pkcs12 client.p12", block("pkcs12", "AAH/")},
		{"one connection only", "<connection>\nremote a.example\nfragment 1200\nreneg-sec 9\n</connection>\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, settings(t, minimal+c.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("mark of order", func(t *testing.T) {
		if diff := cmp.Diff("reneg-sec 0\n", settings(t, "\ufeff"+strings.ReplaceAll(minimal, "\n", "\r\n")+"reneg-sec 0\r\n")); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCredentials(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       openvpn.Profile
	}{
		{"none", "<cert>\n" + certificate + "\n</cert>\nkey keys/client.key\n", openvpn.Profile{}},
		{"asked for", "auth-user-pass\n", openvpn.Profile{NeedsCredentials: true}},
		{"announced", "auth-user-pass [inline]\n", openvpn.Profile{NeedsCredentials: true}},
		{"inline", "<auth-user-pass>\nuser\r\n p@ss \n</auth-user-pass>\n", openvpn.Profile{NeedsCredentials: true, Username: "user", Password: " p@ss "}},
		{"in a file", "auth-user-pass login\n", openvpn.Profile{NeedsCredentials: true, Username: "user", Password: `p ss;#"`}},
		{"the last one counts", "auth-user-pass login\nauth-user-pass\n", openvpn.Profile{NeedsCredentials: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, problems := openvpn.Parse([]byte("remote a.example\n"+ca+c.text), beside)
			if len(problems) > 0 {
				t.Fatalf("problems: %+v", problems)
			}
			if strings.Contains(p.Settings, "user") || strings.Contains(p.Settings, "login") {
				t.Errorf("settings hold credentials:\n%s", p.Settings)
			}
			got := openvpn.Profile{NeedsCredentials: p.NeedsCredentials, Username: p.Username, Password: p.Password}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDropped checks that what a profile could do harm with is dropped by name, whatever it is written like.
func TestDropped(t *testing.T) {
	for _, text := range []string{
		`up "/bin/sh -c 'reboot'"`, `  "up" /bin/sh`, "--up /bin/sh", "down x", "route-up x", "ipchange x", "tls-verify x", "script-security 3", "plugin /tmp/x.so",
		"engine dynamic", "providers legacy", "route 0.0.0.0 0.0.0.0 net_gateway", "route-ipv6 ::/0", "route-noexec", "redirect-private", "ifconfig 10.0.0.1 10.0.0.2",
		"dhcp-option DNS 8.8.8.8", "dns server 1 address 8.8.8.8", "user root", "group root", "cd /", "chroot /", "daemon", "log /etc/passwd", "log-append x", "writepid /x",
		"status /x 1", "management 0.0.0.0 7505", "management-hold", "management-client", "local 0.0.0.0", "lport 1194", "bind", "bind-dev eth0", "mark 0", "float", "multihome",
		"dev-node /x", "lladdr 02:00:00:00:00:01", "capath /etc", "push-peer-info", "allow-recursive-routing", "allow-pull-fqdn", "iproute /x", "setenv-safe a b",
		"remote-random-hostname", "pull-filter accept route", "askpass", "tmp-dir /x", "block-ipv6", "client-nat snat 1 2 3", "tls-export-cert /x",
		"remote-cert-tls client", "ns-cert-type server", "<up>\n/bin/sh\n</up>",
	} {
		t.Run(text, func(t *testing.T) {
			p, notices, problems := openvpn.Parse([]byte(minimal+text+"\n"), beside)
			if len(problems) > 0 {
				t.Fatalf("problems: %+v", problems)
			}
			if p.Settings != ca {
				t.Errorf("kept: %q", strings.Replace(p.Settings, ca, "", 1))
			}
			name := strings.Trim(strings.Fields(text)[0], `"-<>`)
			last := notices[len(notices)-1]
			if last.Directive != name || last.Routine || last.Line != strings.Count(minimal, "\n")+1 || !strings.HasSuffix(last.Reason, ".") {
				t.Errorf("notice: %+v", last)
			}
		})
	}
}

// TestConcern checks that what is kept although it is not good is told.
func TestConcern(t *testing.T) {
	for _, text := range []string{"comp-lzo", "comp-lzo yes", "compress lzo", "compress lz4-v2", "tls-cipher DEFAULT:@SECLEVEL=0"} {
		p, notices, problems := openvpn.Parse([]byte(minimal+text+"\n"), nil)
		if len(problems) > 0 || !strings.Contains(p.Settings, strings.Fields(text)[0]) {
			t.Fatalf("%s: settings %q, problems %+v", text, p.Settings, problems)
		}
		last := notices[len(notices)-1]
		if last.Directive != strings.Fields(text)[0] || last.Routine || !strings.HasSuffix(last.Reason, ".") {
			t.Errorf("%s: notice %+v", text, last)
		}
	}
	for _, text := range []string{"comp-lzo no", "compress"} {
		if _, notices, problems := openvpn.Parse([]byte(minimal+text+"\n"), nil); len(problems) > 0 || slices.ContainsFunc(notices, func(n openvpn.Notice) bool { return !n.Routine }) {
			t.Errorf("%s: notices %+v, problems %+v", text, notices, problems)
		}
	}
}

// TestUnknown checks that what is no directive is never shown: it may be a password that was written in a wrong place.
func TestUnknown(t *testing.T) {
	for _, text := range []string{"some-new-option x", "hunter", "<hunter>\nup x\n</hunter>", "setenv opt hunter x"} {
		p, notices, problems := openvpn.Parse([]byte(minimal+text+"\nhunter2\n"), nil)
		if len(problems) > 0 || p.Settings != ca {
			t.Fatalf("%s: settings %q, problems %+v", text, p.Settings, problems)
		}
		last := notices[len(notices)-1]
		if last.Line != 10 || last.Directive != "" || last.Routine || !strings.HasPrefix(last.Reason, "The line is no directive that jeos knows") {
			t.Errorf("%s: notice %+v", text, last)
		}
	}
}

// TestRoutine checks that what nearly every profile has is no news.
func TestRoutine(t *testing.T) {
	_, notices, problems := openvpn.Parse([]byte(minimal+lines("dev tun3", "dev-type tun", "nobind", "persist-key", "persist-tun", "resolv-retry infinite", "ping 15", "verb 3",
		"auth-nocache", "block-outside-dns", "setenv CLIENT_CERT 0", "setenv opt block-outside-dns", "keepalive 10 60", "redirect-gateway def1", "key-method 2", "tun-ipv6")), nil)
	if len(problems) > 0 || len(notices) < 10 {
		t.Errorf("notices %+v, problems %+v", notices, problems)
	}
	for _, n := range notices {
		if !n.Routine {
			t.Errorf("not routine: %+v", n)
		}
	}
}

// TestNoticesOnce checks that a thousand lines of a kind are one notice, that of the first.
func TestNoticesOnce(t *testing.T) {
	_, notices, _ := openvpn.Parse([]byte(minimal+strings.Repeat("route 10.0.0.0 255.0.0.0\nup x\n", 1000)), nil)
	var got []string
	for _, n := range notices {
		if !n.Routine {
			got = append(got, fmt.Sprintf("%d %s", n.Line, n.Directive))
		}
	}
	if diff := cmp.Diff([]string{"10 route", "11 up"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestProblems checks line, directive and the beginning of the reason of each way to be no profile.
func TestProblems(t *testing.T) {
	const next = 10 // the line after minimal
	for _, c := range []struct {
		name, text string
		want       openvpn.Problem
	}{
		{"nothing", "", openvpn.Problem{0, "", "No server is named"}},
		{"no remote", "auth-user-pass\n" + ca, openvpn.Problem{0, "", "No server is named"}},
		{"no ca", "remote a.example\nauth-user-pass", openvpn.Problem{0, "", "Nothing says which servers to trust"}},
		{"no client", "remote a.example\n" + ca, openvpn.Problem{0, "", "Nothing tells the server who the client is"}},
		{"cert without key", minimal + "cert ca.crt", openvpn.Problem{0, "", "The client's certificate and its private key belong together"}},
		{"too large", minimal + strings.Repeat("# nothing\n", 500_000), openvpn.Problem{0, "", "The file is larger than 1 MiB"}},
		{"lines of old Macs", strings.ReplaceAll(minimal, "\n", "\r"), openvpn.Problem{0, "", "Its lines end in a carriage return alone"}},
		{"utf-16", "c\x00l\x00i\x00", openvpn.Problem{0, "", "The file is not text in UTF-8"}},
		{"web page", minimal + "<!DOCTYPE html>\n", openvpn.Problem{next, "", "The line is not a directive"}},
		{"key outside of a block", minimal + strings.Repeat("5a", 16) + "\n", openvpn.Problem{next, "", "The line is not a directive"}},
		{"name in capitals", minimal + "Remote x", openvpn.Problem{next, "", "The line is not a directive"}},
		{"block without end", minimal + "<key>\n" + privateKey + "\nup x\n", openvpn.Problem{next, "key", "The inline block has no end"}},
		{"secret as a block without end", minimal + "<MIIEvQIBADANBgkqhkiG9w0BAQ>\n", openvpn.Problem{next, "", "The inline block has no end"}},
		{"quotation without end", minimal + `verify-x509-name "a` + "\n", openvpn.Problem{next, "", "A quotation has no end"}},
		{"nested quotes", minimal + `verify-x509-name 'a"b'c"` + "\n", openvpn.Problem{next, "verify-x509-name", "Its value is not one"}},
		{"line break hidden", minimal + "verify-x509-name a\\\nup x", openvpn.Problem{next, "", "There is a backslash"}},
		{"windows path", minimal + `ca "C:\x\ca.crt"`, openvpn.Problem{next, "", "There is a backslash"}},
		{"long line", minimal + "verify-x509-name " + strings.Repeat("x", 240), openvpn.Problem{next, "", "The line has more than 255 bytes"}},
		{"quotes make it too long", minimal + `verify-x509-name 'C="` + strings.Repeat("x", 230) + `"'`, openvpn.Problem{next, "verify-x509-name", "The value is too long"}},
		{"value", minimal + "tun-mtu big", openvpn.Problem{next, "tun-mtu", "Its value is not one"}},
		{"value with more", minimal + "tun-mtu 1 2 3", openvpn.Problem{next, "tun-mtu", "Its value is not one"}},
		{"control character", minimal + "verify-x509-name a\x07b", openvpn.Problem{next, "verify-x509-name", "Its value is not one"}},
		{"block of a value", minimal + "<tun-mtu>\n1\n</tun-mtu>", openvpn.Problem{next, "tun-mtu", "This directive takes no inline block"}},
		{"dev tap", minimal + "dev tap0", openvpn.Problem{next, "dev", "The profile is for a bridge"}},
		{"dev-type tap", minimal + "dev-type tap", openvpn.Problem{next, "dev-type", "The profile is for a bridge"}},
		{"opt dev tap", minimal + "setenv opt dev tap", openvpn.Problem{next, "dev", "The profile is for a bridge"}},
		{"include", minimal + "config other.ovpn", openvpn.Problem{next, "config", "The profile reads another file"}},
		{"proxy", minimal + "http-proxy 10.0.0.1 3128", openvpn.Problem{next, "http-proxy", "The profile goes through a proxy"}},
		{"proxy of a connection", minimal + "<connection>\nremote a.example\nsocks-proxy x\n</connection>", openvpn.Problem{next + 2, "socks-proxy", "The profile goes through a proxy"}},
		{"key of a connection", minimal + "<connection>\nremote a.example\ntls-auth ta.key 1\n</connection>", openvpn.Problem{next + 2, "tls-auth", "A key of one connection"}},
		{"token", minimal + "pkcs11-id x", openvpn.Problem{next, "pkcs11-id", "The key or a secret is outside"}},
		{"question", minimal + "static-challenge x 1", openvpn.Problem{next, "static-challenge", "At every connection somebody"}},
		{"shared key", minimal + "secret x", openvpn.Problem{next, "secret", "The profile uses one shared key"}},
		{"server", minimal + "server 10.8.0.0 255.255.255.0", openvpn.Problem{next, "server", "This is the configuration of a server"}},
		{"weak cipher", minimal + "cipher BF-CBC", openvpn.Problem{next, "cipher", "None of the profile's ciphers"}},
		{"weak ciphers", minimal + "data-ciphers none:DES-CBC", openvpn.Problem{next, "data-ciphers", "None of the profile's ciphers"}},
		{"no host", minimal + "remote", openvpn.Problem{next, "remote", "A remote has a host"}},
		{"host in brackets", minimal + "remote [2001:db8::1]", openvpn.Problem{next, "remote", "The host is neither"}},
		{"host that is a command", minimal + `remote "a;reboot"`, openvpn.Problem{next, "remote", "The host is neither"}},
		{"short address", minimal + "remote 10.1", openvpn.Problem{next, "remote", "The host is neither"}},
		{"hexadecimal address", minimal + "remote 0x7f000001", openvpn.Problem{next, "remote", "The host is neither"}},
		{"unicode", minimal + "remote bücher.example", openvpn.Problem{next, "remote", "The host is neither"}},
		{"localhost", minimal + "remote localhost", openvpn.Problem{next, "remote", "The host is neither"}},
		{"loopback", minimal + "remote 127.0.0.1", openvpn.Problem{next, "remote", "The address is not one"}},
		{"mapped loopback", minimal + "remote ::ffff:127.0.0.1", openvpn.Problem{next, "remote", "The address is not one"}},
		{"zone", minimal + "remote fe80::1%eth0", openvpn.Problem{next, "remote", "The address is not one"}},
		{"multicast", minimal + "remote 224.0.0.1", openvpn.Problem{next, "remote", "The address is not one"}},
		{"port 0", minimal + "remote a.example 0", openvpn.Problem{next, "remote", "The port is not a number"}},
		{"port by name", minimal + "port https", openvpn.Problem{next, "port", "The port is not a number"}},
		{"port too large", minimal + "rport 65536", openvpn.Problem{next, "rport", "The port is not a number"}},
		{"protocol", minimal + "proto tcp-server", openvpn.Problem{next, "proto", "The protocol is not one"}},
		{"many", minimal + manyRemotes(65), openvpn.Problem{0, "remote", "There are more than 64"}},
		{"connection as a line", minimal + "connection x", openvpn.Problem{next, "connection", "A connection is an inline block"}},
		{"connection in another", minimal + "<connection>\n<connection>\nremote a.example\n</connection>", openvpn.Problem{next + 1, "connection", "The inline block has no end"}},
		{"file above", minimal + "ca ../ca.crt", openvpn.Problem{next, "ca", "The file is not in the profile's own folder"}},
		{"file above in the middle", minimal + "ca keys/../../ca.crt", openvpn.Problem{next, "ca", "The file is not in the profile's own folder"}},
		{"absolute file", minimal + "key /etc/ssl/private/x", openvpn.Problem{next, "key", "The file is not in the profile's own folder"}},
		{"windows file", minimal + `ca C:\\ca.crt`, openvpn.Problem{next, "ca", "The file is not in the profile's own folder"}},
		{"credentials of the host", minimal + "auth-user-pass /root/login", openvpn.Problem{next, "auth-user-pass", "The file is not in the profile's own folder"}},
		{"missing file", minimal + "ca gone.crt", openvpn.Problem{next, "ca", "The file that it names cannot be read"}},
		{"no file named", minimal + "ca", openvpn.Problem{next, "ca", "The directive takes the name of one file"}},
		{"many files", minimal + strings.Repeat("ca ca.crt\n", 33), openvpn.Problem{next + 32, "", "The profile names more than 32 files"}},
		{"empty file", minimal + "ca empty", openvpn.Problem{next, "ca", "It holds no CERTIFICATE"}},
		{"other kind", minimal + "key ca.crt", openvpn.Problem{next, "key", "It holds no PRIVATE KEY"}},
		{"credentials without a password", minimal + "<auth-user-pass>\nme\n</auth-user-pass>", openvpn.Problem{next, "auth-user-pass", "It has to hold a user name and a password"}},
		{"key with a passphrase", minimal + "<key>\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nQUJD\n-----END ENCRYPTED PRIVATE KEY-----\n</key>", openvpn.Problem{next, "key", "The private key has a passphrase"}},
		{"old key with a passphrase", minimal + "<key>\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nQUJD\n-----END RSA PRIVATE KEY-----\n</key>", openvpn.Problem{next, "key", "The private key has a passphrase"}},
		{"damaged", minimal + "<cert>\n-----BEGIN CERTIFICATE-----\nup /bin/sh\n-----END CERTIFICATE-----\n</cert>", openvpn.Problem{next, "cert", "A key or certificate in it is damaged"}},
		{"no end within", minimal + "<cert>\n-----BEGIN CERTIFICATE-----\nQUJD\n</cert>", openvpn.Problem{next, "cert", "A key or certificate in it has no end"}},
		{"short static key", minimal + "<tls-crypt>\n-----BEGIN OpenVPN Static key V1-----\n5a5a\n-----END OpenVPN Static key V1-----\n</tls-crypt>", openvpn.Problem{next, "tls-crypt", "A key or certificate in it is damaged"}},
		{"fingerprint", minimal + "<peer-fingerprint>\nup /bin/sh\n</peer-fingerprint>", openvpn.Problem{next, "peer-fingerprint", "A line of it is no fingerprint"}},
		{"no base64", minimal + "<pkcs12>\nup /bin/sh\n</pkcs12>", openvpn.Problem{next, "pkcs12", "It is no base64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, _, problems := openvpn.Parse([]byte(c.text), beside)
			if p != nil || len(problems) == 0 {
				t.Fatalf("profile %+v, problems %+v", p, problems)
			}
			got := problems[0]
			if got.Line != c.want.Line || got.Directive != c.want.Directive || !strings.HasPrefix(got.Reason, c.want.Reason) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if !strings.HasSuffix(got.Reason, ".") && !strings.Contains(got.Reason, ": ") {
				t.Errorf("no sentence: %q", got.Reason)
			}
		})
	}
}

func manyRemotes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "remote h%d.example\n", i)
	}
	return b.String()
}

// TestAllProblems checks that one mistake does not hide another.
func TestAllProblems(t *testing.T) {
	_, _, problems := openvpn.Parse([]byte("dev tap\nremote a.example 0\nca /x\nnonsense here!\nGarbage\n"), nil)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Directive))
	}
	want := []string{"0 ", "1 dev", "2 remote", "3 ca", "5 "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%+v", diff, problems)
	}
}

// TestSideNames checks that no other name reaches the function that reads files, whatever a profile says.
func TestSideNames(t *testing.T) {
	var asked []string
	side := func(name string) ([]byte, error) {
		asked = append(asked, name)
		return nil, errors.New("no")
	}
	text := lines("remote a.example", "ca ../x", "cert /x", `key a\\b`, "tls-auth ../../x 1", "pkcs12 c:x", "crl-verify .", "crl-verify sub/..", `extra-certs ""`, "auth-user-pass ..", "tls-crypt sub/ok", "verify-hash x")
	openvpn.Parse([]byte(text), side)
	if diff := cmp.Diff([]string{"sub/ok"}, asked); diff != "" {
		t.Error(diff)
	}
}

package openvpn_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"jeos/internal/openvpn"
)

// safeLine describes every line that may be in settings, outside of blocks and within.
var safeLine = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`key-direction [01]`,
	`verify-hash [0-9A-Fa-f:]+(?: SHA1| SHA256)?|peer-fingerprint [0-9A-Fa-f:]+(?: SHA1| SHA256)?`,
	`verify-x509-name "[^\n]*"(?: subject| name| name-prefix)?|remote-cert-eku "[^\n]*"|pull-filter ignore "[^\n]*"`,
	`remote-cert-tls server|remote-cert-ku [0-9A-Fa-fx ]+`,
	`(?:cipher|data-ciphers|data-ciphers-fallback|auth|tls-cipher|tls-ciphersuites|tls-groups|ecdh-curve) [A-Za-z0-9:!+@=_.-]+`,
	`tls-version-min 1\.[23](?: or-highest)?|tls-version-max 1\.[23]|tls-cert-profile (?:legacy|preferred|suiteb)`,
	`comp-lzo(?: [a-z]+)?|compress(?: [a-z0-9-]+)?|allow-compression (?:no|asym)`,
	`(?:reneg-sec|reneg-bytes|reneg-pkts|tls-timeout|hand-window|tran-window|replay-window|tun-mtu|tun-mtu-extra|link-mtu|fragment|sndbuf|rcvbuf|txqueuelen) [0-9]+(?: [0-9]+| mtu)?`,
	`mssfix(?: [0-9]+(?: mtu| fixed)?)?|explicit-exit-notify(?: [0-9]+)?|fast-io|remote-random|socket-flags TCP_NODELAY|topology [a-z0-9]+`,
}, "|") + `)$`)

var (
	safeTag   = regexp.MustCompile(`^<(ca|cert|extra-certs|key|pkcs12|crl-verify|tls-auth|tls-crypt|tls-crypt-v2|peer-fingerprint|verify-hash)>$`)
	safeBlock = regexp.MustCompile(`^(?:[A-Za-z0-9+/=]{1,64}|[0-9A-Fa-f:]{59,95}|-----(?:BEGIN|END) [A-Za-z0-9 -]{1,40}-----)$`)
	safeWord  = regexp.MustCompile(`^[a-z0-9_-]{0,32}$`)
	safeHost  = regexp.MustCompile(`^[a-z0-9_.-]{1,253}$`)
)

// FuzzParse checks that whatever a profile holds, what is kept is safe, complete, and read as the same when it is read
// again, and that neither notices nor problems have anything in them but names of directives.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", minimal, "\ufeff" + minimal, strings.ReplaceAll(minimal, "\n", "\r\n"), minimal + `up "/bin/sh -c reboot"`, minimal + "<tls-auth>\n" + static(32) + "\n</tls-auth>\nkey-direction 1",
		minimal + "<connection>\nremote b.example 443 tcp\nup x\n</connection>\n", minimal + "<ca>\n</cax\nup x\n", minimal + "setenv opt setenv opt up x", minimal + `verify-x509-name "a \"b\" \\c" name`,
		minimal + "cipher BF-CBC\ndata-ciphers AES-256-GCM:none", "remote 2001:db8::1\nca ca.crt\ncert keys/client.crt\nkey keys/client.key\ntls-auth ta.key 1\npkcs12 client.p12\nauth-user-pass login\n",
		minimal + "verify-hash " + strings.Repeat("AB:", 31) + "AB\n--up x\n\"down\" y\n'plugin' z", minimal + "tun-mtu 1500\\\nup x", minimal + "comp-lzo\nfragment 1\nproto tcp\nproto-force udp",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, notices, problems := openvpn.Parse(text, beside)
		if (p == nil) != (len(problems) > 0) {
			t.Fatalf("profile %v, problems %+v", p, problems)
		}
		last := 0
		for _, n := range notices {
			if n.Line < last || !safeWord.MatchString(n.Directive) || n.Reason == "" {
				t.Errorf("notice %+v after line %d", n, last)
			}
			last = n.Line
		}
		for _, n := range problems {
			if !safeWord.MatchString(n.Directive) || n.Reason == "" {
				t.Errorf("problem %+v", n)
			}
		}
		if p == nil {
			return
		}
		checkSettings(t, p.Settings)
		checkRemotes(t, p.Remotes)
		again, _, problems := openvpn.Parse([]byte(p.Settings+"remote a.example 1 "+p.Remotes[0].Proto+"\nauth-user-pass\n"), nil)
		if len(problems) > 0 || again.Settings != p.Settings {
			t.Errorf("settings\n%s\nbecome %+v with problems %+v", p.Settings, again, problems)
		}
	})
}

func checkSettings(t *testing.T, settings string) {
	t.Helper()
	if settings == "" || !strings.HasSuffix(settings, "\n") {
		t.Errorf("settings end in no line: %q", settings)
	}
	end := ""
	for line := range strings.SplitSeq(strings.TrimSuffix(settings, "\n"), "\n") {
		switch {
		case len(line) > 254 || strings.ContainsAny(line, "\r\x00"):
			t.Errorf("line %q", line)
		case end != "" && line == end:
			end = ""
		case end != "":
			if !safeBlock.MatchString(line) {
				t.Errorf("line %q before %s", line, end)
			}
		case safeTag.MatchString(line):
			end = "</" + line[1:]
		case !safeLine.MatchString(line):
			t.Errorf("line %q", line)
		}
	}
	if end != "" {
		t.Errorf("no %s", end)
	}
}

func checkRemotes(t *testing.T, remotes []openvpn.Remote) {
	t.Helper()
	seen := map[openvpn.Remote]bool{}
	for _, r := range remotes {
		a, err := netip.ParseAddr(r.Host)
		if err != nil && !safeHost.MatchString(r.Host) || err == nil && (a.IsLoopback() || a.Zone() != "") || r.Port == 0 || r.Proto != "udp" && r.Proto != "tcp" || seen[r] {
			t.Errorf("remote %+v", r)
		}
		seen[r] = true
	}
	if len(remotes) == 0 {
		t.Error("no remotes")
	}
}

//go:build lab

package escape_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"jeos/internal/escape"
)

// values are what each program is asked to read, as far as its format does not refuse them.
func values() []string {
	return []string{
		"", "lan0", "a b", " a ", "it's", `say "x"`, `say "x`, `a\`, `\`, `a\nb\x41`, "a;b", "a ;b", ";", "# a", "a#b", "a # b", "$HOME", "$$", "${HOME}", "$", "%i", "%%", "%",
		"*", "lan*", "a*b", "a\nb", "a\tb", "a\r", "\x01", "\x7f", "Café", "日本", "`id`", "$(id)", "'", "''", `"`, "a,b", "10.8.0.1@tun0", "fd64::1", "/etc/x", "-rf", "~", "{}",
		"12;34", "passphrase", `pass"phrase`, `password"`, `"password`, "password # x", strings.Repeat("0f", 32), strings.Repeat("x", 63), strings.Repeat("é", 16),
	}
}

// eachWritten calls read for each value that the format holds, and fails when those are few.
func eachWritten(t *testing.T, write func(string) (string, error), read func(t *testing.T, s, text string)) {
	t.Helper()
	count := 0
	for _, s := range values() {
		text, err := write(s)
		if err != nil {
			continue
		}
		count++
		t.Run(s, func(t *testing.T) { read(t, s, text) })
	}
	if count < 5 {
		t.Errorf("only %d values could be written", count)
	}
}

// run returns what a program printed on both outputs, whatever its exit status: some tell what they read and then fail.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLabShell(t *testing.T) {
	eachWritten(t, escape.Shell, func(t *testing.T, s, text string) {
		if got := run(t, exec.Command("sh", "-c", "printf '%s|' "+text+" end")); got != s+"|end|" {
			t.Errorf("sh reads %q as %q", text, got)
		}
	})
}

// TestLabSystemd asks systemd itself to load units and to tell what it understood, each value in a unit of its own.
func TestLabSystemd(t *testing.T) {
	type line struct{ unit, key, text, want string }
	var lines []line
	dir, err := os.MkdirTemp("", "jeos-units")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	add := func(key, unit, text, want string) {
		name := fmt.Sprintf("jeos-%d.service", len(lines))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line{name, key, text, want})
	}
	for _, s := range values() {
		if text, err := escape.INI(s); err == nil {
			add("Description", "[Unit]\nDescription="+text+"\n[Service]\nExecStart=/bin/true\n", text, s)
		}
		if text, err := escape.Unit(s); err == nil {
			// Variables are for the time when the command runs.
			add("Command Line", "[Service]\nExecStart=/bin/echo "+text+" end\n", text, "/bin/echo|"+strings.ReplaceAll(s, "$", "$$")+"|end")
		}
	}
	var wants strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&wants, "Wants=%s\n", l.unit)
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "jeos-all.target"), []byte("[Unit]\n"+wants.String()), 0o644),
		os.Chmod(dir, 0o755),
	); err != nil {
		t.Fatal(err)
	}
	// It needs a /run of its own and control groups, which the lab has none of, and refuses to be root.
	cmd := exec.Command("unshare", "--mount", "sh", "-c", `mount -t tmpfs none /run && mount -t cgroup2 none /sys/fs/cgroup && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" "$@"`,
		"/lib/systemd/systemd", "--test", "--system", "--no-pager", "--unit=jeos-all.target")
	cmd.Env = []string{"SYSTEMD_UNIT_PATH=" + dir + ":", "LC_ALL=C.UTF-8", "PATH=" + os.Getenv("PATH")}
	out := run(t, cmd)
	if !strings.Contains(out, "-> Unit jeos-all.target:\n") {
		t.Fatalf("systemd loads no units:\n%.2000s", out)
	}
	for _, l := range lines {
		_, own, _ := strings.Cut(out, "-> Unit "+l.unit+":\n")
		own, _, _ = strings.Cut(own, "-> Unit ")
		_, shown, _ := strings.Cut(own, "\t"+l.key+": ")
		shown, _, _ = strings.Cut(shown, "\n")
		if l.key == "Command Line" {
			shown = shownWords(t, shown)
		}
		if shown != l.want {
			t.Errorf("systemd reads %q as %q, want %q", l.text, shown, l.want)
		}
	}
	if len(lines) < 50 {
		t.Errorf("only %d values could be written", len(lines))
	}
}

// shownWord is one word of a command line as systemd shows it: in double quotes when there is anything special in it.
var shownWord = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[^ ]+`)

func shownWords(t *testing.T, line string) string {
	t.Helper()
	words := shownWord.FindAllString(line, -1)
	for i, word := range words {
		if !strings.HasPrefix(word, `"`) {
			continue
		}
		plain, err := strconv.Unquote(strings.NewReplacer(`\\`, `\\`, `\$`, "$", "\\`", "`").Replace(word))
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		words[i] = plain
	}
	return strings.Join(words, "|")
}

// TestLabNFT loads comments into a namespace without a network and lists them.
func TestLabNFT(t *testing.T) {
	eachWritten(t, escape.NFT, func(t *testing.T, s, text string) {
		path := write(t, "table inet t {\n chain c {\n counter comment "+text+"\n }\n}\n")
		got := run(t, exec.Command("unshare", "--net", "sh", "-c", `nft -f "$0" && nft list ruleset`, path))
		if !strings.Contains(got, `comment "`+s+"\"\n") {
			t.Errorf("nft reads %q as\n%s", text, got)
		}
	})
}

// TestLabOpenVPN gives the value as a file that is not there, whose name OpenVPN then tells.
func TestLabOpenVPN(t *testing.T) {
	eachWritten(t, escape.OpenVPN, func(t *testing.T, s, text string) {
		path := write(t, "config "+text+"\n")
		got := run(t, exec.Command("openvpn", "--config", path))
		if !strings.Contains(got, "Error opening configuration file: "+s+"\n") {
			t.Errorf("openvpn reads %q as\n%s", text, got)
		}
	})
}

// TestLabWPA lets wpa_supplicant tell what it read, before it finds that there is no such interface.
func TestLabWPA(t *testing.T) {
	read := func(t *testing.T, text, key string) string {
		t.Helper()
		out := run(t, exec.Command("wpa_supplicant", "-dd", "-K", "-D", "wired", "-i", "jeos-none", "-c", write(t, text)))
		_, dump, found := strings.Cut(out, key+" - hexdump")
		if !found {
			t.Fatalf("wpa_supplicant tells no %s:\n%s", key, out)
		}
		_, dump, _ = strings.Cut(dump, "):")
		var all []byte
		for row := range strings.SplitSeq(dump, "\n") {
			digits := row
			if len(row) > 53 && strings.HasPrefix(row, "     ") {
				digits = row[:53]
			} else if len(all) > 0 {
				break
			}
			part, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
			if err != nil {
				t.Fatalf("%q: %v", row, err)
			}
			all = append(all, part...)
		}
		return string(all)
	}
	t.Run("ssid", func(t *testing.T) {
		eachWritten(t, escape.WPASSID, func(t *testing.T, s, text string) {
			if got := read(t, "network={\n ssid="+text+"\n key_mgmt=NONE\n}\n", "ssid"); got != s {
				t.Errorf("wpa_supplicant reads %q as %q", text, got)
			}
		})
	})
	t.Run("psk", func(t *testing.T) {
		eachWritten(t, escape.WPAPSK, func(t *testing.T, s, text string) {
			want, key := s, "PSK (ASCII passphrase)"
			if raw, err := hex.DecodeString(s); err == nil && len(raw) == 32 {
				want, key = string(raw), "PSK"
			}
			if got := read(t, "network={\n ssid=\"x\"\n psk="+text+"\n}\n", key); got != want {
				t.Errorf("wpa_supplicant reads %q as %q", text, got)
			}
		})
	})
}

// TestLabDnsmasq gives the value as a file that is not there, whose name dnsmasq then tells.
func TestLabDnsmasq(t *testing.T) {
	eachWritten(t, escape.Dnsmasq, func(t *testing.T, s, text string) {
		got := run(t, exec.Command("dnsmasq", "--test", "--conf-file="+write(t, "conf-file="+text+"\n")))
		if !strings.Contains(got, ": cannot read "+s+": No such file") {
			t.Errorf("dnsmasq reads %q as %q", text, got)
		}
	})
}

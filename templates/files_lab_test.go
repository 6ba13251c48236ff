//go:build lab

package templates_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLabFiles has the programs that read the files judge them.
func TestLabFiles(t *testing.T) {
	for name, g := range variants(t) {
		t.Run(name, func(t *testing.T) {
			r := render(t, g)
			n := newNode(t, "guest")
			n.write(r.Files)
			for _, card := range []string{"uplink", "lan", "tun0"} {
				n.run("ip", "link", "add", card, "type", "bridge") // any kind will do
			}
			for _, f := range r.Files {
				switch {
				case strings.HasSuffix(f.Path, ".nft"):
					n.run("nft", "-c", "-f", f.Path)
				case strings.HasSuffix(f.Path, "dnsmasq.conf"):
					n.run("dnsmasq", "--test", "--conf-file="+f.Path)
				case strings.HasSuffix(f.Path, ".service"):
					if out := n.run("systemd-analyze", "verify", "--man=no", f.Path); strings.Contains(out, f.Path) {
						t.Errorf("systemd says: %s", out)
					}
				case strings.HasPrefix(f.Path, "/etc/sysctl.d/"):
					n.run("sysctl", "-q", "-p", f.Path)
				case f.Path == "/etc/systemd/network/10-jeos-radio.link":
					if strings.Count(string(f.Content), "\n") != 6-1 {
						t.Errorf("%s:\n%s", f.Path, f.Content)
					}
				}
			}
		})
	}
}

// TestLabNetplan has the netplan of the test guest make networkd's and wpa_supplicant's files of the roles', beside what
// jeos's seed gives it.
func TestLabNetplan(t *testing.T) {
	for name, g := range variants(t) {
		r := render(t, g)
		if !r.has("/etc/netplan/60-jeos.yaml") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := strings.ReplaceAll(r.content(t, "/etc/netplan/60-jeos.yaml"), `"key-management":"sae"`, `"key-management":"psk"`)
			for path, content := range map[string]string{"60-jeos.yaml": file, "50-cloud-init.yaml": `
network:
  version: 2
  ethernets:
    uplink: {match: {macaddress: "52:54:00:00:01:03"}, set-name: uplink, addresses: [10.64.0.3/24, "fd64::3/64"], dhcp4: false, accept-ra: false}
    lan: {match: {macaddress: "52:54:00:00:02:02"}, set-name: lan, addresses: [10.66.0.2/24], dhcp4: false}
`} {
				if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out := inGuestImage(t, dir, "sh", "-euc", `
				mkdir -p /tmp/root/etc/netplan
				cp /mnt/*.yaml /tmp/root/etc/netplan/
				/usr/libexec/netplan/generate --root-dir /tmp/root || /usr/lib/netplan/generate --root-dir /tmp/root
				cat /tmp/root/run/systemd/network/*.network
				cat /tmp/root/run/netplan/wpa-*.conf 2>/dev/null || :`)
			if g.role == "openvpn_client" {
				for _, route := range strings.SplitAfter(out, "[Route]\n")[1:] {
					if strings.Contains(route, "0.0.0.0/0") || strings.Contains(route, "::/0") {
						t.Errorf("a default route: %s", route)
					}
				}
				if !strings.Contains(out, "Destination=") {
					t.Errorf("no route to an endpoint:\n%s", out)
				}
				return
			}
			got := readWPA(t, out[strings.Index(out, "ctrl_interface="):])
			if country := got[""]["country"]; country != "DE" {
				t.Errorf("wpa_supplicant reads the country %q", country)
			}
			delete(got, "")
			networks := networksOf(t, g)
			for ssid, n := range networks {
				hidden, bssid := "", ""
				if n.hidden {
					hidden = "1"
				}
				if len(n.bssid) > 0 {
					bssid = strings.ToUpper(n.bssid[0])
				}
				if is := got[ssid]; is["psk"] != n.psk || is["scan_ssid"] != hidden || is["bssid"] != bssid || !strings.Contains(is["key_mgmt"], "WPA-PSK") {
					t.Errorf("wpa_supplicant reads for %q %q, want %+v", ssid, is, n)
				}
			}
			if len(got) != len(networks) {
				t.Errorf("wpa_supplicant reads %q, want %+v", got, networks)
			}
		})
	}
}

// TestLabRadioDown takes a card of PCI from its driver when the guest goes down, and at no other time. The kernel's folders are
// made by hand: no radio that can be had here is on PCI.
func TestLabRadioDown(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "radio"), []byte(render(t, wifiGuest(t)).content(t, "/usr/local/lib/jeos/radio")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ bus, state, want string }{
		{"pci", "stopping", "0000:00:05.0"},
		{"pci", "running", ""},
		{"usb", "stopping", ""},
	} {
		got := inGuestImage(t, dir, "sh", "-euc", `
			mount -t tmpfs sys /sys
			card=/sys/devices/pci0000:00/0000:00:05.0
			mkdir -p $card/net/wlan0 /sys/bus/$1/drivers/card /sys/class/net
			ln -s /sys/bus/$1 $card/subsystem
			ln -s /sys/bus/$1/drivers/card $card/driver
			ln -s $card $card/net/wlan0/device
			ln -s $card/net/wlan0 /sys/class/net/wlan0
			rm /usr/bin/systemctl
			printf '#!/bin/sh\necho %s\n' $2 >/usr/bin/systemctl
			chmod +x /usr/bin/systemctl
			sh /mnt/radio down
			cat $card/driver/unbind 2>/dev/null || :`, "sh", tt.bus, tt.state)
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("%s, %s: taken from its driver: %q, want %q", tt.bus, tt.state, got, tt.want)
		}
	}
}

// inGuestImage runs a command in the file tree of the test guest, with dir at /mnt.
func inGuestImage(t *testing.T, dir string, command ...string) string {
	t.Helper()
	cmd := exec.Command("../scripts/guest-image", append([]string{"chroot", dir}, command...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr.String())
	}
	return string(out)
}

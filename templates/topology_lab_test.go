//go:build lab

package templates_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"
)

// lab is the topology of the set-up that jeos is for, in network namespaces:
//
//	internet ── ap0 · wlan0 ── wifi ── lan · uplink ── vpn ── lan · lan ── web
//
// With a wired way out the card wlan0 is wan.
//
// Every cable of the two networks goes through a bridge of the machine "host", as with libvirt. All files in the machines
// are those that the roles give; units are run by what they say.
type lab struct {
	t              *testing.T
	host           *node
	outside        string // the card of wifi to the internet: wlan0 or wan
	internet       *internet
	wifi, vpn, web *node
	files          struct{ wifi, vpn, web *rendered }
	uplink         *capture // what vpn sends towards wifi
	beyond         int      // a socket of wifi on the cable to vpn
	client         *service
	dns            *service
	ports          int
	vpnPort        string // of the newest vpn guest, on the bridge "inside"
}

const (
	wifiMAC   = "52:54:00:00:01:02"
	uplinkMAC = "52:54:00:00:01:03"
	lanMAC    = "52:54:00:00:02:02"
	webMAC    = "52:54:00:00:02:03"
)

var (
	wifiAddresses = prefixes("10.64.0.2/24", "fd64::2/64")
	vpnAddresses  = prefixes("10.64.0.3/24", "fd64::3/64")
	lanAddresses  = prefixes("10.66.0.2/24", "fd66::2/64")
	webAddresses  = prefixes("10.66.0.3/24", "fd66::3/64")
)

// vpnGuest is the vpn guest of the lab, with credentials that are hard to write.
func (l *lab) vpnGuest() guest {
	g := vpnGuest()
	g.block = `
		uplink   = uplink
		via      = wifi
		lan      = inside
		config   = profile
		dns      = ["10.8.0.1", "fd08::1"]
		ipv6     = true
		username = name
		password = secret
	`
	g.values = map[string]cty.Value{
		"name": cty.StringVal(userName).Mark(sensitive{}), "secret": cty.StringVal(password).Mark(sensitive{}),
		"profile": profile(l.internet.pki.provider(), true,
			remote{"vpn.example.net", "udp", 1194}, remote{"198.51.100.11", "tcp", 443}),
	}
	g.pinned = map[string][]netip.Addr{"vpn.example.net": addresses("198.51.100.10", "2001:db8:5::10")}
	return g
}

func newLab(t *testing.T) *lab {
	t.Helper()
	return newLabBy(t, "wlan0")
}

// newLabBy is newLab with one of the ways to the internet.
func newLabBy(t *testing.T, outside string) *lab {
	t.Helper()
	l := &lab{t: t, outside: outside, internet: newInternet(t)}
	l.files.vpn, l.files.web = render(t, l.vpnGuest()), render(t, workloadGuest())
	wifi := wifiGuest(t)
	if outside == "wan" {
		wifi = wiredGuest(t)
	}
	wifi.clients[0].Export = l.files.vpn.export
	l.files.wifi = render(t, wifi)
	l.host = newNode(t, "host")
	l.host.sh(`
		sysctl -q -w net.ipv6.conf.default.disable_ipv6=1
		for bridge in uplink inside; do ip link add $bridge type bridge; ip link set $bridge up; done`)

	l.wifi = newNode(t, "wifi")
	connect(l.wifi, outside, "02:00:00:00:00:00", l.internet.node, "ap0", "02:00:00:00:01:00")
	l.wifi.address(outside, "192.168.43.2/24", "2001:db8:43::2/64")
	l.internet.address("ap0", "192.168.43.1/24", "2001:db8:43::1/64")
	l.plug(l.wifi, "lan", wifiMAC, "uplink", wifiAddresses)
	l.wifi.run("ip", "route", "add", "default", "via", "192.168.43.1")
	l.wifi.run("ip", "-6", "route", "add", "default", "via", "2001:db8:43::1")
	l.wifi.write(l.files.wifi.Files)
	l.wifi.start("jeos-router.service")

	l.web = newNode(t, "web")
	l.plug(l.web, "lan", webMAC, "inside", webAddresses)
	l.web.run("ip", "route", "add", "default", "via", "10.66.0.2")
	l.web.run("ip", "-6", "route", "add", "default", "via", "fd66::2")
	l.web.write(l.files.web.Files)

	l.wifi.inside(func() (err error) {
		l.beyond, err = openPacketSocket("lan")
		return err
	})
	t.Cleanup(func() { unix.Close(l.beyond) })
	l.uplink = newCapture(t, l.wifi, "lan", l.host, "port1", judgeUplink(
		append(addresses("10.64.0.3", "fd64::3"), linkLocal(uplinkMAC)), append(addresses("10.64.0.2", "fd64::2"), linkLocal(wifiMAC)),
		[]endpoint{
			{netip.MustParseAddr("198.51.100.10"), syscall.IPPROTO_UDP, 1194},
			{netip.MustParseAddr("2001:db8:5::10"), syscall.IPPROTO_UDP, 1194},
			{netip.MustParseAddr("198.51.100.11"), syscall.IPPROTO_TCP, 443},
		}))
	return l
}

// inject sends a frame from wifi towards vpn.
func (l *lab) inject(frame []byte) { unix.Write(l.beyond, frame) }

// plug connects a network card of a guest to a bridge of the host.
func (l *lab) plug(n *node, card, mac, bridge string, addresses []netip.Prefix) (port string) {
	l.t.Helper()
	l.ports++
	port = fmt.Sprintf("port%d", l.ports)
	connect(n, card, mac, l.host, port, fmt.Sprintf("52:54:00:ff:00:%02x", l.ports))
	l.host.run("ip", "link", "set", port, "master", bridge)
	for _, a := range addresses {
		n.address(card, a.String())
	}
	return port
}

// boot makes a new vpn guest, as it is when its network is up and nothing of its role has run yet.
func (l *lab) boot(withFiles bool) {
	l.t.Helper()
	l.vpn = newNode(l.t, "vpn")
	l.plug(l.vpn, "uplink", uplinkMAC, "uplink", vpnAddresses)
	l.vpnPort = l.plug(l.vpn, "lan", lanMAC, "inside", lanAddresses)
	if withFiles {
		l.vpn.write(l.files.vpn.Files)
		l.routesOfNetplan()
	}
}

// routesOfNetplan makes the routes that the role gives to netplan.
func (l *lab) routesOfNetplan() {
	l.t.Helper()
	var file struct {
		Network struct {
			Ethernets map[string]struct{ Routes []struct{ To, Via string } }
		}
	}
	if err := json.Unmarshal([]byte(l.files.vpn.content(l.t, "/etc/netplan/60-jeos.yaml")), &file); err != nil {
		l.t.Fatal(err)
	}
	for name, e := range file.Network.Ethernets {
		for _, r := range e.Routes {
			l.vpn.run("ip", "route", "replace", r.To, "via", r.Via, "dev", name)
		}
	}
}

// quick makes OpenVPN notice in seconds what takes it a minute.
var quick = []string{"--connect-retry", "1", "1", "--connect-timeout", "2", "--ping-restart", "3"}

const completed = "Initialization Sequence Completed"

// tunnel starts the client and waits until it is connected.
func (l *lab) tunnel(more ...string) {
	l.t.Helper()
	l.client = l.vpn.service("jeos-openvpn.service", append(quick[:len(quick):len(quick)], more...)...)
	l.client.said(completed, 0)
}

// works fails unless the guest behind the gateway reaches the target by both families, and has names resolved.
func (l *lab) works() {
	l.t.Helper()
	for _, target := range []string{target4, target6} {
		l.web.until(10*time.Second, "the tunnel carries packets to "+target, func() bool { return l.reaches(target) })
	}
}

// reaches asks the target for an echo over UDP.
func (l *lab) reaches(target string) bool {
	return l.ask("udp", net.JoinHostPort(target, fmt.Sprint(echoPort)), "hello") == "hello"
}

// ask sends a text from web and returns the answer, or what went wrong.
func (l *lab) ask(network, address, text string) string {
	answer := ""
	l.web.inside(func() error {
		c, err := net.DialTimeout(network, address, time.Second)
		if err != nil {
			answer = err.Error()
			return nil
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Second))
		buffer := make([]byte, len(text)+2000)
		if _, err = c.Write([]byte(text)); err == nil {
			var n int
			if n, err = c.Read(buffer); err == nil {
				answer = string(buffer[:n])
				return nil
			}
		}
		answer = err.Error()
		return nil
	})
	return answer
}

// linkLocal is the address that the kernel makes of a MAC address.
func linkLocal(mac string) netip.Addr {
	m, _ := net.ParseMAC(mac)
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

func hardware(mac string) net.HardwareAddr {
	m, err := net.ParseMAC(mac)
	if err != nil {
		panic(err)
	}
	return m
}

// query is a DNS query for a name.
func query(name string) string {
	q := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	for _, label := range strings.Split(name, ".") {
		q += string(rune(len(label))) + label
	}
	return q + "\x00\x00\x01\x00\x01"
}

// flow is a UDP socket of web that stays connected.
type flow struct{ conn net.Conn }

func (l *lab) flow(target string) *flow {
	l.t.Helper()
	f := &flow{}
	l.web.inside(func() (err error) {
		f.conn, err = net.Dial("udp", net.JoinHostPort(target, fmt.Sprint(echoPort)))
		return err
	})
	l.t.Cleanup(func() { f.conn.Close() })
	return f
}

func (f *flow) send(text string) { f.conn.Write([]byte(text)) } // it may be refused, which is fine

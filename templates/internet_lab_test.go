//go:build lab

package templates_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What there is on the internet of the lab. All of it is addresses of one machine, which is also the access point's side.
const (
	target4     = "203.0.113.80"
	target6     = "2001:db8:1::80"
	publicDNS   = "8.8.8.8"
	publicDNS6  = "2001:4860:4860::8888"
	bypassed    = "203.0.113.77"  // which the server of the tunnel wants to go past the tunnel
	unpinned    = "198.51.100.66" // a server that the lock file does not name
	boundTarget = "203.0.113.99"  // of a socket that is bound to the uplink
	echoPort    = 7777

	tunnelMark = 0x6a656f73

	userName = `joe "quoted" \ % $HOME ü🦜 #; x` // kept exactly by files and programs
	password = ` correct 'horse' "battery" \n ; # $(reboot) ` + "`id`"
)

type pki struct{ ca, serverCert, serverKey, clientCert, clientKey string }

// newPKI makes a certificate authority and certificates of a server and a client.
func newPKI(t *testing.T) pki {
	t.Helper()
	serial := int64(0)
	issue := func(name string, usage []x509.ExtKeyUsage, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, string, string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		serial++
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, ExtKeyUsage: usage,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
			KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement, BasicConstraintsValid: true,
		}
		if parent == nil {
			parent, signer = c, key
			c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		keyDER, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return c, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
			string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	}
	ca, caKey, caText, _ := issue("ca", nil, nil, nil)
	p := pki{ca: caText}
	_, _, p.serverCert, p.serverKey = issue("server", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, ca, caKey)
	_, _, p.clientCert, p.clientKey = issue("client", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ca, caKey)
	return p
}

// provider is what a provider's configuration says beside its servers.
func (p pki) provider() string {
	return fmt.Sprintf("<ca>\n%s</ca>\n<cert>\n%s</cert>\n<key>\n%s</key>\n", p.ca, p.clientCert, p.clientKey)
}

// internet is the machine beyond the access point.
type internet struct {
	*node
	pki     pki
	queries map[string]*atomic.Int64 // that resolvers have seen, by their address
}

func newInternet(t *testing.T) *internet {
	i := &internet{node: newNode(t, "internet"), pki: newPKI(t), queries: map[string]*atomic.Int64{}}
	i.address("lo", "198.51.100.10/32", "198.51.100.11/32", unpinned+"/32", "2001:db8:5::10/128", target4+"/32", target6+"/128",
		bypassed+"/32", publicDNS+"/32", publicDNS6+"/128")
	i.sh(`
		mkdir -p /run/openvpn
		printf '#!/bin/sh\nexec cmp -s "$1" /run/openvpn/expected\n' >/run/openvpn/verify
		chmod 755 /run/openvpn/verify`)
	cmd := i.command("sh", "-c", "cat >/run/openvpn/expected")
	cmd.Stdin = strings.NewReader(userName + "\n" + password + "\n")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"10.8.0.1", "fd08::1", publicDNS, publicDNS6, "192.168.43.1"} {
		i.resolver(address)
	}
	i.echo()
	return i
}

// server starts an OpenVPN server that tries what a hostile one would.
func (i *internet) server(t *testing.T, number int, proto, local string, port int) *service {
	t.Helper()
	more := ""
	if number == 0 {
		more = "server 10.8.0.0 255.255.255.0\nserver-ipv6 fd08::/64\n"
	} else {
		more = fmt.Sprintf("server 10.%d.0.0 255.255.255.0\nserver-ipv6 fd%02d::/64\n", 8+number, 8+number)
	}
	config := fmt.Sprintf(`
dev tun%d
topology subnet
proto %s
local %s
port %d
%sdh none
keepalive 1 60
duplicate-cn
script-security 2
auth-user-pass-verify /run/openvpn/verify via-file
push "route %s 255.255.255.255 net_gateway"
push "redirect-gateway def1 bypass-dhcp ipv6"
push "route-ipv6 2001:db8:77::/64"
push "dhcp-option DNS 203.0.113.53"
push "ping-exit 2"
push "setenv PATH /tmp"
verb 3
disable-dco
<ca>
%s</ca>
<cert>
%s</cert>
<key>
%s</key>
`, number, proto, local, port, more, bypassed, i.pki.ca, i.pki.serverCert, i.pki.serverKey)
	path := fmt.Sprintf("/run/openvpn/server%d.conf", number)
	cmd := i.command("sh", "-c", "cat >"+path)
	cmd.Stdin = strings.NewReader(config)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	s := i.daemon("server "+local, "openvpn", "--config", path)
	s.said("Initialization Sequence Completed", 0)
	return s
}

// servers starts one at every endpoint that is pinned.
func (i *internet) servers(t *testing.T) []*service {
	t.Helper()
	return []*service{
		i.server(t, 0, "udp4", "198.51.100.10", 1194),
		i.server(t, 1, "udp6", "2001:db8:5::10", 1194),
		i.server(t, 2, "tcp4-server", "198.51.100.11", 443),
	}
}

// anyAddress lets a socket have an address that the machine does not have yet.
func anyAddress(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_FREEBIND, 1)
	})
}

// resolver answers every query with the address of the target.
func (i *internet) resolver(address string) {
	i.t.Helper()
	count := &atomic.Int64{}
	i.queries[address] = count
	var conn net.PacketConn
	i.inside(func() (err error) {
		conn, err = (&net.ListenConfig{Control: anyAddress}).ListenPacket(i.t.Context(), "udp", net.JoinHostPort(address, "53"))
		return err
	})
	i.t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			count.Add(1)
			if answer := answerTo(buffer[:n]); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
}

// answerTo makes an answer of one A record to a query of one question.
func answerTo(query []byte) []byte {
	end := 12
	for end < len(query) && query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5
	if len(query) < end {
		return nil
	}
	answer := append([]byte{}, query[:end]...)
	answer[2], answer[3] = 0x81, 0x80
	copy(answer[6:], []byte{0, 1, 0, 0, 0, 0})
	answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
	return append(answer, net.ParseIP(target4).To4()...)
}

// echo sends back what comes over UDP and TCP, and takes connections at port 443 and 853 of the public resolver.
func (i *internet) echo() {
	i.t.Helper()
	var packets []net.PacketConn
	var listeners []net.Listener
	i.inside(func() error {
		for _, address := range []string{target4, target6} {
			p, err := net.ListenPacket("udp", net.JoinHostPort(address, fmt.Sprint(echoPort)))
			if err != nil {
				return err
			}
			packets = append(packets, p)
			l, err := net.Listen("tcp", net.JoinHostPort(address, fmt.Sprint(echoPort)))
			if err != nil {
				return err
			}
			listeners = append(listeners, l)
		}
		for _, port := range []string{"443", "853"} {
			l, err := net.Listen("tcp", publicDNS+":"+port)
			if err != nil {
				return err
			}
			listeners = append(listeners, l)
		}
		return nil
	})
	for _, p := range packets {
		i.t.Cleanup(func() { p.Close() })
		go func() {
			buffer := make([]byte, 2000)
			for {
				n, from, err := p.ReadFrom(buffer)
				if err != nil {
					return
				}
				p.WriteTo(buffer[:n], from)
			}
		}()
	}
	for _, l := range listeners {
		i.t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					io.Copy(c, c)
				}()
			}
		}()
	}
}

//go:build lab

package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serverSettings is the configuration of the internet's OpenVPN server. It pushes what a hostile one would: routes that
// lead around the tunnel, and silence that may last for ever.
const serverSettings = `
dev tun0
topology subnet
server 10.8.0.0 255.255.255.0
server-ipv6 fd64:8::/64
proto udp6
multihome
port 1194
dh none
keepalive 5 30
push "redirect-gateway def1 ipv6"
push "route 203.0.113.7 255.255.255.255 net_gateway"
push "route 203.0.113.53 255.255.255.255 net_gateway"
push "route-ipv6 2001:db8:7::/64 net_gateway"
push "dhcp-option DNS 203.0.113.53"
push "ping-restart 0"
verb 3
`

// startVPN starts the OpenVPN server and returns a client's configuration, as a provider would give it out.
func (n *internet) startVPN() string {
	n.t.Helper()
	ca := newAuthority(n.t)
	secret := staticKey(n.t)
	server := serverSettings + ca.credentials("server", x509.ExtKeyUsageServerAuth) + inline("tls-crypt", secret)
	file := filepath.Join(n.dir, "server.conf")
	if err := os.WriteFile(file, []byte(server), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.vpn = n.daemon("openvpn", "--config", file)
	client := "client\ndev tun\nremote vpn.example.net 1194 udp\nresolv-retry infinite\nnobind\npersist-key\npersist-tun\nremote-cert-tls server\n" +
		"redirect-gateway def1\nverb 3\n"
	return client + ca.credentials("client", x509.ExtKeyUsageClientAuth) + inline("tls-crypt", secret)
}

// inline is a file within an OpenVPN configuration.
func inline(name, content string) string {
	return fmt.Sprintf("<%s>\n%s\n</%s>\n", name, strings.TrimSpace(content), name)
}

// staticKey makes a key as "openvpn --genkey" does.
func staticKey(t *testing.T) string {
	t.Helper()
	key := make([]byte, 256)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("-----BEGIN OpenVPN Static key V1-----\n")
	for len(key) > 0 {
		out.WriteString(hex.EncodeToString(key[:16]) + "\n")
		key = key[16:]
	}
	return out.String() + "-----END OpenVPN Static key V1-----"
}

// authority signs certificates, for the time of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	pem  string
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert = a.template("authority")
	a.cert.IsCA, a.cert.BasicConstraintsValid, a.cert.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	a.key = a.newKey()
	a.pem = a.sign(a.cert, a.key)
	return a
}

func (a *authority) template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(cert *x509.Certificate, key *ecdsa.PrivateKey) string {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return block(a.t, "CERTIFICATE", der)
}

// credentials returns the blocks ca, cert and key of a new certificate.
func (a *authority) credentials(name string, usage x509.ExtKeyUsage) string {
	cert, key := a.template(name), a.newKey()
	cert.KeyUsage, cert.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return inline("ca", a.pem) + inline("cert", a.sign(cert, key)) + inline("key", block(a.t, "PRIVATE KEY", der))
}

func block(t *testing.T, kind string, data []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := pem.Encode(&out, &pem.Block{Type: kind, Bytes: data}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

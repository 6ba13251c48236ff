package virt

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue returns a certificate and its key as PEM; without a parent it is an authority's own.
func (a *authority) issue(name string, parent *authority) (cert, key []byte) {
	a.t.Helper()
	var err error
	check := func() {
		if err != nil {
			a.t.Fatal(err)
		}
	}
	a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		DNSNames:     []string{name},
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer := parent
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid = true, true
		signer = &authority{cert: template, key: a.key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, a.key.Public(), signer.key)
	check()
	a.cert, err = x509.ParseCertificate(der)
	check()
	secret, err := x509.MarshalPKCS8PrivateKey(a.key)
	check()
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func TestTLS(t *testing.T) {
	root, leaf := &authority{t: t}, &authority{t: t}
	ca, _ := root.issue("authority", nil)
	cert, key := leaf.issue("host", root)
	other, _ := (&authority{t: t}).issue("another authority", nil)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		ca      []byte // nil: none
		verdict byte
		query   string
		want    string // part of the error; empty: none
	}{
		"accepted":              {ca, 1, "", ""},
		"client is refused":     {ca, 0, "", "tls_allowed_dn_list"},
		"unknown authority":     {other, 1, "", "check the certificates of both sides"},
		"not verified":          {other, 1, "&no_verify=1", ""},
		"no authority":          {nil, 1, "", "put the certificate of your authority there"},
		"no authority's PEM":    {[]byte("x"), 1, "", "holds no certificate"},
		"not verified, no file": {nil, 1, "&no_verify=1", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string][]byte{"cacert.pem": tt.ca, "clientcert.pem": cert, "clientkey.pem": key}
			for name, data := range files {
				if data == nil {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d := newDaemon()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				raw, err := listener.Accept()
				if err != nil {
					return
				}
				secure := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
				if _, err := secure.Write([]byte{tt.verdict}); err == nil {
					d.serve(secure)
				}
			}()
			h, err := Open(context.Background(), "qemu+tls://host/system?pkipath="+dir+tt.query, Options{
				Dial: func(_ context.Context, network, addr string) (net.Conn, error) {
					if network != "tcp" || addr != "host:16514" {
						t.Errorf("dialled %s %s", network, addr)
					}
					return net.Dial("tcp", listener.Addr().String())
				},
			})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err == nil {
				h.Close()
			}
		})
	}
}

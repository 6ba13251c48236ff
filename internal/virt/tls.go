package virt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

// pki is one of the places where certificates may be, by https://libvirt.org/kbase/tlscerts.html.
type pki struct{ ca, cert, key string }

func (t target) pki() []pki {
	flat := func(dir string) pki {
		return pki{filepath.Join(dir, "cacert.pem"), filepath.Join(dir, "clientcert.pem"), filepath.Join(dir, "clientkey.pem")}
	}
	if dir := t.params["pkipath"]; dir != "" {
		return []pki{flat(dir)}
	}
	system := pki{"/etc/pki/CA/cacert.pem", "/etc/pki/libvirt/clientcert.pem", "/etc/pki/libvirt/private/clientkey.pem"}
	home, err := os.UserHomeDir()
	if err != nil || os.Geteuid() == 0 {
		return []pki{system}
	}
	return []pki{flat(filepath.Join(home, ".pki", "libvirt")), system}
}

// tlsConfig loads the first authority and the first client certificate that are there.
func (t target) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: t.host, InsecureSkipVerify: t.params["no_verify"] == "1"}
	for _, place := range t.pki() {
		if config.RootCAs == nil {
			if pem, err := os.ReadFile(place.ca); err == nil {
				config.RootCAs = x509.NewCertPool()
				if !config.RootCAs.AppendCertsFromPEM(pem) {
					return nil, fmt.Errorf("%s holds no certificate; put the PEM of your authority there", place.ca)
				}
			}
		}
		if config.Certificates == nil {
			pair, err := tls.LoadX509KeyPair(place.cert, place.key)
			if err == nil {
				config.Certificates = []tls.Certificate{pair}
			} else if !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("cannot use the client certificate %s: %w", place.cert, err)
			}
		}
	}
	if config.RootCAs == nil && !config.InsecureSkipVerify {
		return nil, fmt.Errorf("there is no %s; put the certificate of your authority there, or give ?pkipath=", t.pki()[0].ca)
	}
	return config, nil
}

// dialTLS connects and waits for the byte by which libvirt tells that it accepts the client's certificate.
func (t target) dialTLS(ctx context.Context, opt Options) (net.Conn, error) {
	config, err := t.tlsConfig()
	if err != nil {
		return nil, err
	}
	raw, err := dialTCP(ctx, opt, t.host, t.port, "16514")
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("%w; check the certificates of both sides (https://libvirt.org/kbase/tlscerts.html)", err)
	}
	var verdict [1]byte
	if _, err := io.ReadFull(secure, verdict[:]); err != nil || verdict[0] != 1 {
		raw.Close()
		return nil, errors.New("the host does not accept this client's certificate; see its libvirt log and tls_allowed_dn_list")
	}
	return secure, nil
}

package images

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"
)

const (
	defaultSilence = time.Minute
	maxRedirects   = 10
)

var (
	errSilence   = errors.New("the server has stopped sending")
	errProxy     = errors.New("HTTP_PROXY or HTTPS_PROXY is no address of a proxy: write http://HOST:PORT")
	errDowngrade = errors.New("the server redirects from https to http, and what comes that way could be read and changed by anybody")
)

// client returns what sends the requests.
func (c *Client) client() *http.Client {
	c.once.Do(func() {
		c.http = &http.Client{Transport: &http.Transport{
			Proxy:                  proxyOf,
			OnProxyConnectResponse: checkProxy,
			DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout:    20 * time.Second,
			ResponseHeaderTimeout:  time.Minute,
			IdleConnTimeout:        30 * time.Second,
			DisableCompression:     true,
		}}
		if c.HTTP != nil {
			given := *c.HTTP
			c.http = &given
		}
		if c.http.CheckRedirect == nil {
			c.http.CheckRedirect = checkRedirect
		}
	})
	return c.http
}

// proxyOf returns the proxy for a request, nil for none, as the environment names it. The library takes nearly everything
// for an address, and its errors can show a password.
func proxyOf(request *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(request)
	if err != nil || proxy != nil && !isProxy(proxy) {
		return nil, errProxy
	}
	return proxy, nil
}

func isProxy(u *url.URL) bool {
	return slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) && u.Hostname() != "" && (u.Path == "" || u.Path == "/")
}

// checkProxy says what a proxy answers that does not connect.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	err := fmt.Errorf("the proxy in HTTPS_PROXY does not connect, and answers %s", response.Status)
	if response.StatusCode == http.StatusProxyAuthRequired {
		err = fmt.Errorf("%w: write name and password into HTTPS_PROXY", err)
	}
	return err
}

// checkRedirect refuses to leave https, and never tells the next server the address before it, which can hold a key.
func checkRedirect(next *http.Request, before []*http.Request) error {
	switch {
	case len(before) >= maxRedirects:
		return fmt.Errorf("the server redirects more than %d times", maxRedirects)
	case before[len(before)-1].URL.Scheme == "https" && next.URL.Scheme != "https":
		return errDowngrade
	}
	next.Header.Del("Referer")
	return nil
}

// request sends a request and returns the response once its header is there. Its body fails when the server is silent for
// too long, and must be closed.
func (c *Client) request(ctx context.Context, method, address string, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	silence := cmp.Or(c.silence, defaultSilence)
	timer := time.AfterFunc(silence, func() { cancel(errSilence) })
	stop := func() { timer.Stop(); cancel(nil) }

	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		stop()
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("User-Agent", cmp.Or(c.UserAgent, "jeos"))
	request.Header.Set("Accept-Encoding", "identity")
	response, err := c.client().Do(request)
	if err != nil {
		err = transportError(ctx, err)
		stop()
		return nil, err
	}
	response.Body = &watchedBody{response.Body, ctx, timer, silence, stop}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		response.Body.Close()
		return nil, fmt.Errorf("the server sends it packed with %q, which it was asked not to do", encoding)
	}
	return response, nil
}

// watchedBody is the body of a response that ends when nothing comes for a while.
type watchedBody struct {
	io.ReadCloser
	ctx     context.Context
	timer   *time.Timer
	silence time.Duration
	stop    func()
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.silence)
	n, err := b.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = transportError(b.ctx, err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}

// transient is an error that may be gone at the next try.
type transient struct {
	error
	after time.Duration // the server asks to wait that long; 0: it does not say
}

func (t transient) Unwrap() error { return t.error }

// transportError tells what may be gone at the next try from what stays. The address is left out: it may hold a secret.
func transportError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errSilence) {
			return transient{error: cause}
		}
		return cause
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	var proxy *net.OpError
	if errors.As(err, &proxy) && proxy.Op == "proxyconnect" {
		err = fmt.Errorf("the proxy in HTTP_PROXY or HTTPS_PROXY cannot be reached: %w", proxy.Err)
	}
	var netError net.Error
	if isCut(err) || errors.As(err, &netError) && netError.Timeout() {
		return transient{error: err}
	}
	return err
}

// isCut reports whether an error is that of a connection that ended too early.
func isCut(err error) bool {
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE} {
		if errors.Is(err, cut) {
			return true
		}
	}
	return false
}

// checkStatus returns an error unless the status of a response is one of these.
func checkStatus(response *http.Response, fine ...int) error {
	status := response.StatusCode
	if slices.Contains(fine, status) {
		return nil
	}
	err := fmt.Errorf("the server answers %d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusNetworkAuthenticationRequired:
		return errWebPage
	case status == http.StatusNotFound, status == http.StatusGone:
		return fmt.Errorf("%w, %w", err, errGone)
	case status == http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: write name and password into HTTP_PROXY and HTTPS_PROXY", err)
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500 && status != http.StatusNotImplemented:
		seconds, _ := time.ParseDuration(response.Header.Get("Retry-After") + "s")
		return transient{err, seconds}
	}
	return err
}

const (
	maxAttempts = 5
	maxWait     = 30 * time.Second
)

func defaultBackoff(attempt int) time.Duration { return time.Second << (attempt - 1) }

// retry calls try until it succeeds, fails for good, or has failed too often without getting on.
func (c *Client) retry(ctx context.Context, try func() (progress bool, err error)) error {
	backoff := c.backoff
	if backoff == nil {
		backoff = defaultBackoff
	}
	for attempt := 1; ; attempt++ {
		progress, err := try()
		var again transient
		if !errors.As(err, &again) {
			return err
		}
		if progress {
			attempt = 1
		}
		if attempt >= maxAttempts {
			return fmt.Errorf("%w, %d times in a row: try again later", again.error, attempt)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(min(max(backoff(attempt), again.after), maxWait)):
		}
	}
}

// parseAddress reads the address of a file.
func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the image cannot be read: write https://HOST/PATH")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%s is no address that images can be fetched from: write https://HOST/PATH", ShownURL(address))
	}
	if u.User != nil {
		return nil, fmt.Errorf("the address %s has a name or a password in it, which would end in the lock file: leave it out", ShownURL(address))
	}
	return u, nil
}

// ShownURL returns an address as it may be shown: without name and password, and without the query, which can hold a key.
func ShownURL(address string) string {
	u, err := url.Parse(address)
	if err != nil { // who knows where in it a secret is
		return "the address"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

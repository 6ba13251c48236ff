package images

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxDocument is the most that is read of an index or a list, in bytes.
const maxDocument = 64 << 20

var errTooLong = fmt.Errorf("is longer than %d bytes", maxDocument)

// errWebPage says what came in place of a file.
var errWebPage = errors.New("the answer is a web page, as a captive portal or a proxy sends: " +
	"open the address in a browser and see what stands in the way")

// document fetches a short file. Errors name its address.
func (c *Client) document(ctx context.Context, address string) ([]byte, error) {
	var data []byte
	err := c.retry(ctx, func() (bool, error) {
		response, err := c.request(ctx, http.MethodGet, address, nil)
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		if err := checkStatus(response, http.StatusOK); err != nil {
			return false, err
		}
		if data, err = io.ReadAll(io.LimitReader(response.Body, maxDocument+1)); err != nil {
			return false, err
		}
		switch {
		case len(data) > maxDocument:
			return false, errTooLong
		case isWebPage(data):
			return false, errWebPage
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", ShownURL(address), err)
	}
	return data, nil
}

// isWebPage reports whether a file starts like HTML.
func isWebPage(data []byte) bool {
	lower := bytes.ToLower(bytes.TrimLeft(data[:min(len(data), sector)], "\ufeff \t\r\n"))
	return bytes.HasPrefix(lower, []byte("<!doctype html")) || bytes.HasPrefix(lower, []byte("<html"))
}

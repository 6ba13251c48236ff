package images

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// download brings the bytes of a file into a part, in as many requests as it takes.
type download struct {
	client   *Client
	remote   Remote
	part     *part
	progress func(done, total int64)
	total    int64 // bytes of the file; 0: nobody has said yet
}

// run ends when the part has all bytes, and the right ones. When it took up an earlier download and the hash is wrong, the
// reason may be what was there, so it starts once more with nothing.
func (d *download) run(ctx context.Context) error {
	for {
		err := d.client.retry(ctx, func() (bool, error) {
			before := d.part.size
			err := d.try(ctx)
			return d.part.size > before, err
		})
		if err != nil {
			return err
		}
		got := d.part.hash()
		if got == d.remote.SHA256 {
			return nil
		}
		if !d.part.inherited {
			d.part.discard()
			return wrongHash(got, d.remote.SHA256)
		}
		if err := d.part.restart(partState{}); err != nil {
			return err
		}
	}
}

// try asks for what is missing and takes what comes. No error: the part has as many bytes as the file.
func (d *download) try(ctx context.Context) error {
	d.total = d.remote.FileSize
	if d.total > 0 && d.part.size == d.total {
		return nil
	}
	if d.total > 0 && d.part.size > d.total {
		if err := d.part.restart(partState{}); err != nil {
			return err
		}
	}
	response, err := d.client.request(ctx, http.MethodGet, d.remote.URL, d.rangeHeader())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := checkStatus(response, http.StatusOK, http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable); err != nil {
		return err
	}
	body := bufio.NewReader(response.Body)
	switch response.StatusCode {
	case http.StatusOK:
		err = d.begin(response, body)
	default:
		var fits bool
		if fits, err = d.resume(response); err == nil && !fits {
			response.Body.Close()
			if err := d.part.restart(partState{}); err != nil {
				return err
			}
			return d.try(ctx) // without a range this time, and so no third time
		}
	}
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return nil
	}
	return d.take(body)
}

// rangeHeader asks for the rest of a file that has begun.
func (d *download) rangeHeader() http.Header {
	header := http.Header{}
	if d.part.size == 0 {
		return header
	}
	header.Set("Range", fmt.Sprintf("bytes=%d-", d.part.size))
	if state := d.part.state; state.Validator != "" && state.URL == d.remote.URL {
		header.Set("If-Range", state.Validator)
	}
	return header
}

// begin starts with the first byte. What an earlier response has left is dropped only when the new one looks right.
func (d *download) begin(response *http.Response, body *bufio.Reader) error {
	if head, _ := body.Peek(sector); isWebPage(head) {
		return errWebPage
	}
	if err := d.setTotal(response.ContentLength); err != nil {
		return err
	}
	if err := d.part.restart(partState{URL: d.remote.URL, Validator: validator(response.Header)}); err != nil {
		return err
	}
	return d.part.checkSpace(d.total)
}

// contentRange is that of a single range, or of none, of a file whose length is known.
var contentRange = regexp.MustCompile(`^bytes (?:(\d+)-\d+|\*)/(\d+)$`)

// resume reports whether a response goes on where the part ends. It does not when the file there is another one.
func (d *download) resume(response *http.Response) (fits bool, err error) {
	if d.part.size == 0 {
		return false, fmt.Errorf("the server answers %s to a request for the whole file", response.Status)
	}
	match := contentRange.FindStringSubmatch(response.Header.Get("Content-Range"))
	if match == nil {
		return false, nil
	}
	total, err := strconv.ParseInt(match[2], 10, 64)
	if err != nil {
		return false, nil
	}
	if response.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return d.remote.FileSize == 0 && match[1] == "" && total == d.part.size, nil // there is no more to come
	}
	if err := d.setTotal(total); err != nil {
		return false, err
	}
	now, then := validator(response.Header), d.part.state.Validator
	if match[1] != strconv.FormatInt(d.part.size, 10) || now != "" && then != "" && now != then && d.part.state.URL == d.remote.URL {
		return false, nil
	}
	return true, nil
}

// setTotal notes how long the file is by the server's word, which must be that of the publisher.
func (d *download) setTotal(total int64) error {
	if total <= 0 {
		return nil
	}
	if d.remote.FileSize > 0 && total != d.remote.FileSize {
		return replaced(fmt.Sprintf("the server has %d bytes and the file should have %d: the file there is another one", total, d.remote.FileSize))
	}
	d.total = total
	return nil
}

// maxUnknown is the most that is taken of a file whose length nobody says, in bytes.
const maxUnknown = 64 << 30

var errEndless = fmt.Errorf("the server does not say how long the file is, and sends more than %d GiB: give the address of an image", maxUnknown>>30)

// take appends what comes to the part.
func (d *download) take(body io.Reader) error {
	buffer := make([]byte, 256<<10)
	report(d.progress, d.part.size, d.total)
	for {
		n, err := body.Read(buffer)
		switch size := d.part.size + int64(n); {
		case d.total > 0 && size > d.total:
			d.part.discard()
			return errLonger
		case d.total == 0 && size > maxUnknown:
			d.part.discard()
			return errEndless
		}
		if n > 0 {
			if _, err := d.part.Write(buffer[:n]); err != nil {
				return err
			}
			report(d.progress, d.part.size, d.total)
		}
		switch {
		case errors.Is(err, io.EOF) && d.total > 0 && d.part.size < d.total:
			return transient{error: io.ErrUnexpectedEOF}
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// validator returns what tells the server's present file from an earlier one at the same address (RFC 9110, section 13.1.5).
func validator(header http.Header) string {
	if tag := header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return header.Get("Last-Modified")
}

package virt

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

func TestReadVolume(t *testing.T) {
	tests := []struct {
		name  string
		feed  []string
		limit int64
		want  string
	}{
		{"whole", []string{"base-files 12\n", "bash 5\n", ""}, 100, "base-files 12\nbash 5\n"},
		{"empty", []string{""}, 100, ""},
		{"the end is told twice", []string{"bash 5\n", "", ""}, 100, "bash 5\n"},
		{"the end is not told", []string{"bash 5\n"}, 100, "bash 5\n"},
		{"more than the limit", []string{"base-files 12\n", "bash 5\n", strings.Repeat("x", 1<<20), ""}, 16, "base-files 12\nba"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDaemon()
			warehouse(d)["m"] = []byte(strings.Join(tt.feed, ""))
			d.answer(volumeDownload, []byte(nil))
			d.feed[volumeDownload] = tt.feed
			h := d.open(t)
			for range 2 { // the connection still works
				got, err := h.ReadVolume(context.Background(), "p", "m", tt.limit)
				if string(got) != tt.want || err != nil {
					t.Errorf("got %q and the error %v, want %q", got, err, tt.want)
				}
			}
		})
	}
}

func TestReadVolumeFails(t *testing.T) {
	tests := []struct {
		name  string
		setUp func(*daemon, context.CancelFunc)
		want  func(error) bool
	}{
		{"no such volume", func(d *daemon, _ context.CancelFunc) {
			d.answer(volumeByName, refusal(libvirt.ErrNoStorageVol, "Storage volume not found"))
		}, func(err error) bool { return errors.Is(err, plan.ErrNotFound) }},
		{"refused", func(d *daemon, _ context.CancelFunc) {
			d.answer(volumeDownload, refusal(libvirt.ErrSystemError, "cannot open file"))
		}, func(err error) bool { return mentions(err, "cannot open file") }},
		{"refused in the middle", func(d *daemon, _ context.CancelFunc) {
			d.feed[volumeDownload] = []string{"some"}
			d.broken[volumeDownload] = refusal(libvirt.ErrSystemError, "input/output error")
		}, func(err error) bool { return mentions(err, "input/output error") }},
		{"connection ends in the middle", func(d *daemon, _ context.CancelFunc) {
			d.feed[volumeDownload] = []string{"some"}
			d.broken[volumeDownload] = errHangUp
		}, func(err error) bool { return lostBy(err, nil) }},
		{"nothing more comes", func(d *daemon, _ context.CancelFunc) {
			d.feed[volumeDownload] = []string{"some"}
		}, func(err error) bool { return lostBy(err, errSilent) }},
		{"interrupted", func(d *daemon, cancel context.CancelFunc) {
			d.feed[volumeDownload] = []string{"some"}
			time.AfterFunc(time.Second, cancel)
		}, func(err error) bool { return lostBy(err, context.Canceled) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				warehouse(d)["m"] = make([]byte, 100)
				d.answer(volumeDownload, []byte(nil))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				tt.setUp(d, cancel)
				got, err := d.open(t).ReadVolume(ctx, "p", "m", 100)
				if got != nil || !tt.want(err) {
					t.Errorf("got %q and the error %v", got, err)
				}
			})
		})
	}
}

// lostBy reports whether err is that of a lost connection with that cause.
func lostBy(err, cause error) bool {
	var lost *LostError
	return errors.As(err, &lost) && lost.Cause == cause
}

func TestReadVolumeNeedsAConnectionThatMayWrite(t *testing.T) {
	h := &Hypervisor{opt: Options{ReadOnly: true}}
	if _, err := h.ReadVolume(context.Background(), "p", "m", 100); !errors.Is(err, errReadOnly) {
		t.Errorf("error %v, want %v", err, errReadOnly)
	}
}

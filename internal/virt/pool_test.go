package virt

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

func TestBusyPoolIsWaitedFor(t *testing.T) {
	job := refusal(libvirt.ErrInternalError, "internal error: pool 'p' has asynchronous jobs running.")
	tests := map[string]struct {
		replies []any
		want    string
	}{
		"for a while": {[]any{job, job, job, []byte(nil)}, ""},
		"for ever":    {[]any{job}, "another program works in the pool"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon()
				d.answer(poolByName, poolReply("p"))
				d.answer(poolRefresh, tt.replies...)
				err := d.open(t).Do(context.Background(), plan.Step{Verb: plan.RefreshPool, Host: "p"}, nil)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if d.count(poolRefresh) < 4 {
					t.Errorf("tried %d times", d.count(poolRefresh))
				}
			})
		})
	}
}

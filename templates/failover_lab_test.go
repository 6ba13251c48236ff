//go:build lab

package templates_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// TestLabFailover has the client go from one pinned server to the next by all families and protocols, and to no other.
func TestLabFailover(t *testing.T) {
	l := newLab(t)
	servers := l.internet.servers(t)
	l.internet.server(t, 3, "udp4", unpinned, 1194)
	l.boot(true)
	l.vpn.start("jeos-gateway.service")
	l.uplink.take()
	l.tunnel()
	for i, want := range []string{"198.51.100.10", "2001:db8:5::10", "198.51.100.11"} {
		if i > 0 {
			before := l.client.count(completed)
			servers[i-1].stop(syscall.SIGKILL)
			l.client.said(completed, before)
		}
		l.works()
		if got := l.vpn.run("/usr/local/lib/jeos/tunnel", "probe"); got != "tunnel up, "+want+"\n" {
			t.Errorf("the probe says %q, want %s", got, want)
		}
	}
	before := l.client.count("process restarting")
	servers[2].stop(syscall.SIGKILL)
	l.client.said("process restarting", before+1)
	if out, err := l.vpn.try("/usr/local/lib/jeos/tunnel", "probe"); err == nil || !strings.HasPrefix(out, "tunnel down") {
		t.Errorf("without a server the probe says %q, %v", out, err)
	}
	w := l.uplink.take()
	leaked := w.leaked()
	if leaked > 0 || w.good < 30 {
		t.Errorf("%d frames, and besides %v\n%s", w.good, w.counts, strings.Join(w.shown, "\n"))
	}
	record(t, fmt.Sprintf("| class | what | closed by | frames |\n|---|---|---|---|\n"+
		"| L6 | servers fail one after the other, by UDP, UDP over IPv6 and TCP, then all | rules, routes, the configuration | %d |\n"+
		"| L16 | no name is resolved on the way to any of them | the configuration | %d |\n", leaked, leaked),
		tally{"L6", leaked, unopened}, tally{"L16", leaked, unopened})
}

//go:build lab

package main_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// event is something that is done under traffic: the classes of leaks that it is about, as "L2 L9", what it is, and which
// guards are away meanwhile.
type event struct{ classes, what, removed string }

// tally counts frames of a class: those that came where the guards that were left should not have let them come, and those
// that were seen with all guards on the way taken away.
type tally struct{ frames, without int }

// settle is how long probes of every kind go on after something has happened: several rounds.
const settle = 3 * time.Second

// quiet does something under traffic, and checks that nothing leaked at any place meanwhile, but for classes of leaks that
// the guards which are left do not close.
func (w *wifiVPN) quiet(e event, do func(), open ...string) {
	w.t.Helper()
	w.leaky(e, nil, nil, do, open...)
}

// onTheWay are the places that a packet passes from the vpn guest to the outside.
var onTheWay = []string{fromVPN, toWifi, fromAir}

// leaky does something with guards taken away, and checks that leaks of some classes were all noticed at some places, and
// none at all others but for classes that the guards which are left do not close.
func (w *wifiVPN) leaky(e event, provoked, at []string, do func(), open ...string) {
	w.t.Helper()
	w.watch(e, do)
	for _, p := range at {
		seen := w.eyes.classes(p)
		for _, class := range provoked {
			if !slices.ContainsFunc(seen, func(s string) bool { return strings.HasPrefix(s, class+":") }) {
				w.t.Errorf("%v: no leak of class %s %s, so it would not be noticed: %q", e, class, p, seen)
			}
		}
	}
	if len(at) > 0 {
		w.noteSeen(e, at[len(at)-1])
	}
	for _, p := range append(slices.Clone(onTheWay), toHost, toVPN, toMail) {
		if slices.Contains(at, p) {
			continue
		}
		may := open
		if p == fromVPN && strings.Contains(e.removed, guestRules.name) {
			may = append(slices.Clone(open), leakOther) // what its kernel tells of itself; the host stops that
		}
		leaks := slices.DeleteFunc(w.eyes.classes(p), func(leak string) bool {
			class, _, _ := strings.Cut(leak, ":")
			return slices.Contains(may, class)
		})
		if len(leaks) > 0 {
			_, kinds := w.eyes.leaked(p)
			w.t.Errorf("%v: leaked %s: %s\n%s", e, p, leaks, strings.Join(kinds, "\n"))
		}
		w.noteLeaks(e, leaks)
	}
	if !slices.Contains(at, fromAir) {
		w.mustHideTargets()
	}
}

// noteLeaks counts frames that the guards should have stopped, by class, as "L1:12"; each counts for the classes of the event,
// too. No leak is a result as well.
func (w *wifiVPN) noteLeaks(e event, leaks []string) {
	for _, class := range append(strings.Fields(e.classes), leakClasses...) {
		w.tally(class)
	}
	for _, leak := range leaks {
		class, count, _ := strings.Cut(leak, ":")
		n, _ := strconv.Atoi(count)
		for _, c := range append(strings.Fields(e.classes), class) {
			w.tally(c).frames += n
		}
	}
}

// noteSeen counts frames that were seen at a place, with no guard left on the way to it.
func (w *wifiVPN) noteSeen(e event, place string) {
	frames, _ := w.eyes.leaked(place)
	for _, class := range strings.Fields(e.classes) {
		w.tally(class).without += frames
	}
	for _, leak := range w.eyes.classes(place) {
		class, count, _ := strings.Cut(leak, ":")
		n, _ := strconv.Atoi(count)
		if class != leakHost && !slices.Contains(strings.Fields(e.classes), class) { // which counts at the host alone
			w.tally(class).without += n
		}
	}
}

func (w *wifiVPN) tally(class string) *tally {
	if w.tallies[class] == nil {
		w.tallies[class] = &tally{}
	}
	return w.tallies[class]
}

// watch does something under traffic and notes what was seen.
func (w *wifiVPN) watch(e event, do func()) {
	w.t.Helper()
	w.eyes.forget()
	w.net.forget()
	begin := time.Now()
	do()
	time.Sleep(settle)
	row := []string{e.classes, e.what, e.removed, fmt.Sprintf("%.0f s", time.Since(begin).Seconds()), fmt.Sprint(w.eyes.crossed(fromWeb)), fmt.Sprint(w.eyes.crossed(toWifi))}
	for _, p := range []string{fromVPN, toWifi, fromAir, toHost, toVPN, toMail} {
		frames, kinds := w.eyes.leaked(p)
		row = append(row, strings.TrimSpace(fmt.Sprintf("%d %s", frames, strings.Join(w.eyes.classes(p), " "))))
		if frames > 0 {
			w.t.Logf("%v: %s\n%s", e, p, strings.Join(kinds[:min(len(kinds), 40)], "\n"))
		}
	}
	w.rows = append(w.rows, row)
	w.t.Logf("%q", row)
	if w.eyes.crossed(fromWeb) == 0 {
		w.t.Errorf("%v: nobody probed", e)
	}
}

// report shows what was seen, and adds it to the results where there is a file for them.
func (w *wifiVPN) report() {
	w.t.Helper()
	var table strings.Builder
	for _, row := range slices.Concat([][]string{
		{"class", "event", "taken away", "time", "probes", "came to wifi of the tunnel", "left vpn", "came to wifi", "left by the air", "came to the host", "came to vpn", "came to a workload"},
		slices.Repeat([]string{"---"}, 12),
	}, w.rows) {
		table.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	w.t.Logf("frames:\n%s", table.String())
	file := os.Getenv("JEOS_LEAKS")
	if file == "" {
		return
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(&table, "\n")
	for _, class := range slices.Sorted(maps.Keys(w.tallies)) {
		fmt.Fprintf(&table, "tally %s guests %d %d\n", class, w.tallies[class].frames, cmp.Or(w.tallies[class].without, -1))
	}
	if _, err := fmt.Fprintf(f, "%s:\n\n%s", w.t.Name(), table.String()); err != nil {
		w.t.Error(err)
	}
}

package virt

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"jeos/plan"
)

// cloner is one of several jeos that know nothing of each other.
type cloner struct {
	done  chan struct{}
	err   error
	ended time.Duration // since the test began
	texts []string      // progress
}

// clone begins a copy after a while. Libvirt goes on with one that is cut.
func (s *shelf) clone(ctx context.Context, after time.Duration) *cloner {
	h := s.open(s.t)
	c := &cloner{done: make(chan struct{})}
	begin := time.Now()
	go func() {
		defer close(c.done)
		time.Sleep(after)
		c.err = h.Do(ctx, cloneStep, func(p plan.Progress) { c.texts = append(c.texts, p.Text) })
		c.ended = time.Since(begin)
	}()
	return c
}

// mustEnd waits for one that must succeed.
func (s *shelf) mustEnd(c *cloner) {
	s.t.Helper()
	if <-c.done; c.err != nil {
		s.t.Error(c.err)
	}
}

func TestCloneByMany(t *testing.T) {
	tests := []struct {
		name   string
		after  []time.Duration
		copies time.Duration // how long one takes
	}{
		{"at once", []time.Duration{0, 0, 0}, time.Minute},
		{"at once, a small one", []time.Duration{0, 0, 0}, time.Millisecond},
		{"one after the other", []time.Duration{0, 30 * time.Second, 50 * time.Second}, time.Minute},
		{"shortly before the end", []time.Duration{0, time.Minute - 1}, time.Minute},
		{"at the end", []time.Duration{0, time.Minute}, time.Minute},
		{"shortly after the end", []time.Duration{0, time.Minute + 1}, time.Minute},
		{"one that takes long", []time.Duration{0, time.Second}, 3 * time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newShelf(t)
				d.takes = tt.copies
				begin := time.Now()
				d.on[volumeInfo] = func([]byte) ([]byte, error) { return info(uint64(time.Since(begin))), nil }
				made := 0
				d.begun = func() { made++ }
				var all []*cloner
				for _, after := range tt.after {
					all = append(all, d.clone(t.Context(), after))
				}
				for _, c := range all {
					if d.mustEnd(c); c.ended < tt.copies {
						t.Errorf("one ends after %v, before the copy", c.ended)
					}
				}
				d.mustBeComplete()
				if made != 1 || d.count(volumeDelete) > 0 {
					t.Errorf("%d copies and %d deletions, want one copy", made, d.count(volumeDelete))
				}
			})
		})
	}
}

// TestCloneByManyOfWhichOneIsCut has two others wait for the one that is cut. Its copy gets no marker, and one of the two
// makes it anew.
func TestCloneByManyOfWhichOneIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newShelf(t)
		d.takes = time.Minute
		made := 0
		d.begun = func() { made++ }
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cut := d.clone(ctx, 0)
		second, third := d.clone(t.Context(), time.Second), d.clone(t.Context(), 1500*time.Millisecond)
		if <-cut.done; !lostBy(cut.err, context.DeadlineExceeded) {
			t.Errorf("the one that is cut: %v", cut.err)
		}
		d.mustEnd(second)
		d.mustEnd(third)
		d.mustBeComplete()
		if earliest := 2*time.Minute + grace; made != 2 || second.ended < earliest || third.ended < earliest {
			t.Errorf("%d copies, want 2; the others end after %v and %v, want later than %v", made, second.ended, third.ended, earliest)
		}
	})
}

// TestCloneWhoseMakerStandsStill has the maker learn only after more than grace that libvirt has ended. Somebody else makes
// the copy anew then, and the first maker must not mark that one.
func TestCloneWhoseMakerStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newShelf(t)
		d.takes = time.Minute
		made := 0
		d.begun = func() {
			if made++; made == 1 {
				d.delay[volumeCreateFrom] += 30 * time.Second
			}
		}
		first, second := d.clone(t.Context(), 0), d.clone(t.Context(), time.Second)
		d.mustEnd(first)
		d.mustEnd(second)
		d.mustBeComplete()
		if made != 2 || first.ended < second.ended {
			t.Errorf("%d copies, want 2; they end after %v and %v, want the first one later", made, first.ended, second.ended)
		}
	})
}

// TestCloneWhoseMarkerComesLate has the maker of a copy that seems to be left make its marker just before it is deleted.
func TestCloneWhoseMarkerComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newShelf(t)
		d.volumes["baked.qcow2"] = image(1000)
		remove := d.on[volumeDelete]
		d.on[volumeDelete] = func(args []byte) ([]byte, error) {
			if volumeArg(args) == "baked.qcow2" {
				d.volumes["baked.qcow2.ok"] = nil
			}
			return remove(args)
		}
		d.mustEnd(d.clone(t.Context(), 0))
		d.mustBeComplete()
		if got := d.count(volumeDelete); got != 2 {
			t.Errorf("%d deletions, want those of the copy and of the marker", got)
		}
	})
}

// TestCloneWithTheMarkerOfAnother has a marker come while a copy is written. Whoever sees that does not believe it.
func TestCloneWithTheMarkerOfAnother(t *testing.T) {
	for _, after := range []time.Duration{20 * time.Second, 40 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := newShelf(t)
			d.takes = time.Minute
			d.begun = func() {
				time.AfterFunc(30*time.Second, func() {
					d.mu.Lock()
					defer d.mu.Unlock()
					d.volumes["baked.qcow2.ok"] = nil
				})
			}
			first, second := d.clone(t.Context(), 0), d.clone(t.Context(), after)
			d.mustEnd(first)
			d.mustEnd(second)
			d.mustBeComplete()
			if second.ended < time.Minute {
				t.Errorf("the second one ends after %v", second.ended)
			}
		})
	}
}

// TestCloneThatAnotherDoesNotEnd waits for as long as the other's copy grows, or as the user wants.
func TestCloneThatAnotherDoesNotEnd(t *testing.T) {
	tests := []struct {
		name  string
		limit time.Duration // of the step
		want  func(error) bool
		ended time.Duration
	}{
		{"it stalls", time.Hour, func(err error) bool {
			return err != nil && strings.Contains(err.Error(), `another program makes volume baked.qcow2 of pool "p", which does not grow any more`)
		}, 7 * time.Minute},
		{"the user gives up", time.Minute, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newShelf(t)
				d.volumes["baked.qcow2"] = image(10)
				begin := time.Now()
				d.writing["baked.qcow2"] = begin.Add(time.Hour)
				d.on[volumeInfo] = func([]byte) ([]byte, error) {
					return info(uint64(min(time.Since(begin), 2*time.Minute)/time.Minute) << 20), nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
				defer cancel()
				c := d.clone(ctx, 0)
				if <-c.done; !tt.want(c.err) || c.ended < tt.ended || c.ended > tt.ended+5*time.Second {
					t.Errorf("ends after %v with the error %v", c.ended, c.err)
				}
				if len(c.texts) > 0 && c.texts[0] != "another program makes it: 1 MiB written" {
					t.Errorf("progress %q", c.texts)
				}
				if d.count(volumeDelete) > 0 || d.count(volumeCreateFrom) > 0 {
					t.Error("the other one's copy is touched")
				}
			})
		})
	}
}

// TestDeleteVolumeThatWaits deletes the marker that came while the deletion waited for the copy's end.
func TestDeleteVolumeThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newShelf(t)
		d.volumes["baked.qcow2"], d.writing["baked.qcow2"] = image(1000), time.Now().Add(30*time.Second)
		remove := d.on[volumeDelete]
		d.on[volumeDelete] = func(args []byte) ([]byte, error) {
			reply, err := remove(args)
			if err == nil && volumeArg(args) == "baked.qcow2" {
				d.volumes["baked.qcow2.ok"] = nil
			}
			return reply, err
		}
		step := plan.Step{Verb: plan.DeleteVolume, Pool: "p", Host: "baked.qcow2"}
		if err := d.open(t).Do(t.Context(), step, nil); err != nil {
			t.Error(err)
		}
		if marked(d.volumes) || len(d.volumes) > 1 {
			t.Errorf("left: %v", d.volumes)
		}
	})
}

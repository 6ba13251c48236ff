// Yardstick times jeos beside a bare program on the same libvirt library. scripts/bench runs it:
//
//	yardstick JEOS FOLDER GUESTS
//
// It writes two like sites into the folder, lets jeos apply and plan the one, and makes and reads the objects of the other
// with plain calls: reading serially on one connection, making with as many calls in flight as jeos has. Then it compares
// how a large image gets into the pool, and from a server into the cache.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const rounds = 5

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "yardstick:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if _, err := os.Stat("/run/jeos-lab"); err != nil {
		return errors.New("this is no lab, and the yardstick removes what is in its way: use scripts/bench")
	}
	if len(args) != 3 {
		return errors.New("usage: yardstick JEOS FOLDER GUESTS")
	}
	jeos, folder := args[0], args[1]
	guests, err := strconv.Atoi(args[2])
	if err != nil || guests < 1 {
		return fmt.Errorf("%q is no number of guests", args[2])
	}
	image := filepath.Join(folder, "image.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", image, "64M").CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	b := &bench{jeos: jeos, site: filepath.Join(folder, "jeos-site"), bareSite: filepath.Join(folder, "bare-site"), built: filepath.Join(folder, "built")}
	for dir, name := range map[string]string{b.site: "bench", b.bareSite: "bare"} {
		if err := writeSite(dir, name, image, guests); err != nil {
			return err
		}
	}
	if err := b.jeosRun(b.bareSite, "build", b.built); err != nil {
		return err
	}
	bare, err := newBare(b.built)
	if err != nil {
		return err
	}
	t, err := newTransfer(b, bare, folder)
	if err != nil {
		return err
	}
	return b.compare(bare, guests, t)
}

type bench struct{ jeos, site, bareSite, built string }

// jeosRun runs jeos and returns an error with its output if it fails.
func (b *bench) jeosRun(site string, args ...string) error {
	out, err := exec.Command(b.jeos, append([]string{"-C", site}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("jeos %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (b *bench) compare(bare *bare, guests int, t *transfer) error {
	start, err := best(rounds, func() error { return b.jeosRun(b.site, "version") }, nil)
	if err != nil {
		return err
	}
	destroy := func() error { return b.jeosRun(b.site, "destroy", "--auto-approve") }
	// One round that is not counted: the pool is made and the image uploaded, which later rounds find in place.
	if err := b.jeosRun(b.site, "apply", "--auto-approve"); err != nil {
		return err
	}
	if err := bare.make(); err != nil {
		return err
	}
	plan, err := best(rounds, func() error { return b.jeosRun(b.site, "plan", "--detailed-exitcode") }, nil)
	if err != nil {
		return err
	}
	read, err := best(rounds, bare.read, nil)
	if err != nil {
		return err
	}
	apply, err := best(rounds, func() error { return b.jeosRun(b.site, "apply", "--auto-approve") }, destroy)
	if err != nil {
		return err
	}
	made, err := best(rounds, bare.make, bare.remove)
	if err != nil {
		return err
	}
	fmt.Printf("%d defined guests, best of %d, jeos's start of %s subtracted\n\n", guests, rounds, round(start))
	fmt.Printf("%-6s %10s %10s %7s\n", "", "jeos", "bare", "ratio")
	row("plan", plan-start, read)
	row("apply", apply-start, made)
	fmt.Printf("\nAn image of %d MiB, best of %d\n\n", imageSize>>20, rounds)
	if err := t.upload(); err != nil {
		return err
	}
	return t.download(start)
}

func row(name string, jeos, bare time.Duration) {
	fmt.Printf("%-6s %10s %10s %7.2f\n", name, round(jeos), round(bare), float64(jeos)/float64(bare))
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// best returns the shortest time of n runs of f, with before run ahead of each, not counted.
func best(n int, f, before func() error) (time.Duration, error) {
	var shortest time.Duration
	for i := range n {
		if before != nil {
			if err := before(); err != nil {
				return 0, err
			}
		}
		begin := time.Now()
		if err := f(); err != nil {
			return 0, err
		}
		if d := time.Since(begin); i == 0 || d < shortest {
			shortest = d
		}
	}
	return shortest, nil
}

func writeSite(dir, name, image string, guests int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "jeos {\n  site = %q\n  pool = \"bench\"\n}\n\nimage \"base\" {\n  source = %q\n}\n\nnetwork \"lan\" {\n  cidrs = [\"10.9.0.0/16\"]\n}\n", name, image)
	for i := range guests {
		fmt.Fprintf(&b, "\nguest \"g%03d\" {\n  image   = image.base\n  accel   = \"tcg\"\n  running = false\n\n  nic \"lan\" {\n    network = network.lan\n  }\n}\n", i)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "site.jeos.hcl"), []byte(b.String()), 0o644)
}

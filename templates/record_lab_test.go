//go:build lab

package templates_test

import (
	"fmt"
	"os"
	"testing"
)

// resultsFile is where the tables of the leak tests are added, when the environment names one.
var resultsFile = os.Getenv("JEOS_LEAKS")

// unopened is how many frames came without any guard, where there is none to take away.
const unopened = -1

// tally counts frames of a class of leaks: those that came with guards, and those that came without.
type tally struct {
	class           string
	frames, without int
}

// record adds a table to the results, and for scripts/leaks the tallies of its classes.
func record(t *testing.T, table string, tallies ...tally) {
	t.Helper()
	t.Log("\n" + table)
	for _, c := range tallies {
		table += fmt.Sprintf("tally %s namespaces %d %d\n", c.class, c.frames, c.without)
	}
	if resultsFile == "" {
		return
	}
	f, err := os.OpenFile(resultsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(table + "\n"); err != nil {
		t.Fatal(err)
	}
}

//go:build lab

package templates_test

import (
	"os"
	"testing"
)

// resultsFile is where the tables of the leak tests are added, when the environment names one.
var resultsFile = os.Getenv("JEOS_LEAKS")

// record adds a table to the results.
func record(t *testing.T, table string) {
	t.Helper()
	t.Log("\n" + table)
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

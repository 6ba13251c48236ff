//go:build lab

package templates_test

import (
	"os"
	"testing"
)

// resultsFile is where the tables of the leak tests go, when the environment names one. It is written anew by every run.
var resultsFile = os.Getenv("JEOS_LEAKS")

func TestMain(m *testing.M) {
	if resultsFile != "" {
		os.Remove(resultsFile)
	}
	os.Exit(m.Run())
}

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

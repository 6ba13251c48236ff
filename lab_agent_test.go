//go:build lab

package main_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// eventually waits for two minutes at most.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 20 * 60 {
		if is() {
			return
		}
		time.Sleep(time.Second / 2)
	}
	t.Fatalf("not so: %s", what)
}

// agent runs a command as root in a guest, which needs no network for that, and returns what it writes without the last
// newline.
func agent(t *testing.T, domain, command string) string {
	t.Helper()
	ask := func(reply any, execute string, arguments any) error {
		request, err := json.Marshal(map[string]any{"execute": execute, "arguments": arguments})
		if err != nil {
			return err
		}
		out, err := exec.Command("virsh", "-q", "-c", "qemu:///system", "qemu-agent-command", domain, string(request)).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return json.Unmarshal(out, &struct{ Return any }{reply})
	}
	var process struct{ PID int }
	var err error
	eventually(t, "the agent of "+domain+" answers", func() bool {
		err = ask(&process, "guest-exec", map[string]any{"path": "/bin/sh", "arg": []string{"-c", command}, "capture-output": true})
		return err == nil
	})
	var status struct {
		Exited bool
		Out    []byte `json:"out-data"`
		Err    []byte `json:"err-data"`
	}
	eventually(t, "in "+domain+" this ends: "+command, func() bool {
		err = ask(&status, "guest-exec-status", map[string]any{"pid": process.PID})
		return err == nil && status.Exited
	})
	return strings.TrimSuffix(string(status.Out)+string(status.Err), "\n")
}

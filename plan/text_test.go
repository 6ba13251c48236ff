package plan

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestPlanShown(t *testing.T) {
	drifted := applied(site(), func(m map[Addr]*Object) {
		m[web].Attrs["nic.52:54:00:aa:aa:aa"] = "network.default 52:54:00:aa:aa:aa"
		m[web].Live["nic.52:54:00:aa:aa:aa"] = "network.default 52:54:00:aa:aa:aa"
		m[web].Detach = map[string]string{"nic.52:54:00:aa:aa:aa": "<interface/>"}
		m[web].Attrs["memory"] = "256MiB"
		m[lan].Attrs["autostart"] = "false"
	})
	tests := map[string]struct {
		desired []Resource
		actual  *Actual
		opt     Options
	}{
		"create":  {site(), empty(), Options{}},
		"empty":   {site(), applied(site()), Options{}},
		"drift":   {site(), drifted, Options{}},
		"restart": {site(setAttr(web, "memory", "1GiB"), setAttr(web, "seed.packages", "sha256:2")), applied(site()), Options{}},
		"replace": {site(setAttr(web, "firmware", "uefi")), applied(site(setAttr(web, "firmware", "bios"))), Options{}},
		"destroy": {site(), applied(site()), Options{Destroy: true}},
		"bake":    {site(baked), leftBehind(empty()), Options{}},
		"follow":  {site(baked, follow), applied(site(baked), madeFrom("recipe:0")), Options{}},
		"remains": {site(baked), leftBehind(applied(site(baked))), Options{}},
		"pending": {site(setAttr(web, "memory", "1GiB")), applied(site(setAttr(web, "memory", "1GiB")), func(m map[Addr]*Object) {
			m[web].Live["memory"], m[web].LiveApplied["memory"] = "512MiB", "512MiB"
		}), Options{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Diff(test.desired, test.actual, test.opt)
			if err != nil {
				t.Fatal(err)
			}
			text := planText(t, p, false)
			var doc bytes.Buffer
			if err := p.WriteJSON(&doc, "qemu:///system"); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", []byte(text))
			golden(t, name+".json", doc.Bytes())

			saved, err := NewSaved(p, "v1", "home", "qemu:///system", test.opt)
			if err != nil {
				t.Fatal(err)
			}
			view, err := saved.View()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, planText(t, view, false)); diff != "" {
				t.Errorf("the saved plan is shown differently:\n%s", diff)
			}
			if diff := cmp.Diff(text, stripStyles(planText(t, p, true))); diff != "" {
				t.Errorf("colour changes the text:\n%s", diff)
			}
		})
	}
}

func planText(t *testing.T, p *Plan, color bool) string {
	t.Helper()
	var text bytes.Buffer
	if err := p.WriteText(&text, TextOptions{URI: "qemu:///system", Color: color}); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func stripStyles(text string) string {
	return strings.NewReplacer(styleBold, "", styleGood, "", styleWarn, "", styleBad, "", styleDim, "", styleOff, "").Replace(text)
}

func TestPendingIsNoChange(t *testing.T) {
	actual := applied(site(), func(m map[Addr]*Object) { m[web].Live["cpus"], m[web].LiveApplied["cpus"] = "4", "4" })
	p, err := Diff(site(), actual, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() || len(p.Pending) != 1 {
		t.Errorf("got %d changes and %d pending, want 0 and 1", len(p.Changes), len(p.Pending))
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const canary = "argon2id:c0ffee"
	secret := func(value string) []Resource {
		return site(func(m map[Addr]*Resource) {
			m[web].Attrs = append(m[web].Attrs, Attr{Name: "disk.secret", Value: value, Secret: true})
		})
	}
	p, err := Diff(secret(canary+"1"), applied(secret(canary+"2")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := p.WriteText(&out, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.WriteJSON(&out, ""); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "(sensitive, changed)") || !strings.Contains(out.String(), `"disk.secret": true`) {
		t.Errorf("the change is not named:\n%s", out.String())
	}
	if strings.Contains(out.String(), "c0ffee") {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
}

func TestControlCharactersAreEscaped(t *testing.T) {
	p := &Plan{Changes: []Change{{Addr: web, Action: Update, Attrs: []AttrChange{{Name: "name", From: "a\x1b[31m", To: "b\u202e\n"}}}}}
	var out bytes.Buffer
	if err := p.WriteText(&out, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := `a\u001b[31m -> b\u202e\u000a`; !strings.Contains(out.String(), want) {
		t.Errorf("want %s in:\n%s", want, out.String())
	}
}

func TestSavedPlan(t *testing.T) {
	changed := site(setAttr(web, "memory", "1GiB"))
	p, err := Diff(changed, applied(site()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	saved, err := NewSaved(p, "v1", "home", "qemu:///system", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := saved.Write(&file); err != nil {
		t.Fatal(err)
	}
	read, err := ReadSaved(&file)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Check(p, "qemu:///system"); err != nil {
		t.Errorf("the same plan is refused: %v", err)
	}

	stale := map[string]struct {
		desired []Resource
		actual  *Actual
		uri     string
		want    string
	}{
		"host changed": {changed, applied(site(), func(m map[Addr]*Object) { m[web].Attrs["memory"] = "2GiB" }), "qemu:///system",
			"the host changed; the plan differs at guest.web"},
		"files changed": {site(setAttr(web, "memory", "3GiB")), applied(site()), "qemu:///system", "the files or variables changed"},
		"another host":  {changed, applied(site()), "qemu:///session", "it was made for qemu:///system"},
	}
	for name, test := range stale {
		t.Run(name, func(t *testing.T) {
			now, err := Diff(test.desired, test.actual, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := read.Check(now, test.uri); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestReadSavedRefusesOtherFiles(t *testing.T) {
	for name, data := range map[string]string{
		"empty": "", "not JSON": "resource {}", "other JSON": `{"a":1}`, "newer format": `{"format_version":"9.0","plan":{}}`, "no plan": `{"format_version":"1.0"}`,
	} {
		if _, err := ReadSaved(strings.NewReader(data)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPlanJSONIsValid(t *testing.T) {
	data, err := os.ReadFile("testdata/drift.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Changes []struct {
			Address  string
			Security bool
		} `json:"resource_changes"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Changes) != 2 || doc.Changes[1].Address != "guest.web" || !doc.Changes[1].Security {
		t.Errorf("got %+v", doc.Changes)
	}
}

package config_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"jeos/internal/config"
	"jeos/internal/diag"
)

const canary = "CaNaRy-1234567890"

// secretVariables declares sensitive collections.
const secretVariables = `variable "list" {
  type      = any
  sensitive = true
}
variable "object" {
  type      = any
  sensitive = true
}
variable "objects" {
  type      = any
  sensitive = true
}
locals {
  list = [for s in var.list : s]
}
`

// TestSecretsStaySecret puts a canary into expressions that fail in every way there is, and looks for it in what is
// shown.
func TestSecretsStaySecret(t *testing.T) {
	for _, body := range []string{
		`hostname = var.psk`,
		`hostname = lower(var.psk)`,
		`timezone = "${var.psk}/x"`,
		`cpus = var.psk`,
		`cpus = tonumber(var.psk)`,
		`cpus = parseint(var.psk, 10)`,
		`cpus = length(regex("(${var.psk}", "x"))`,
		`cpus = 1 + var.psk`,
		`cpus = jsondecode(var.psk)`,
		`cpus = csvdecode(var.psk)`,
		`cpus = { a = 1 }[var.psk]`,
		`cpus = [1][var.psk]`,
		`cpus = var.psk.attribute`,
		`cpus = var.object.none`,
		`cpus = var.object["k"].none`,
		`cpus = index(["x"], var.psk)`,
		`cpus = lookup({ a = 1 }, var.psk)`,
		`cpus = element([], length(var.psk))`,
		`cpus = file(var.psk)`,
		`cpus = templatefile(var.psk, {})`,
		`cpus = templatefile("t.tpl", { x = var.psk })`,
		`cpus = env(var.psk)`,
		`cpus = try(tonumber(var.psk), file(var.psk))`,
		`cpus = cidrhost(var.psk, 1)`,
		`cpus = base64decode(var.psk)`,
		`cpus = tobool(var.psk) ? 1 : 2`,
		`cpus = var.psk ? 1 : 2`,
		`cloud_config = { for x in [var.psk, var.psk] : x => 1 }`,
		`cpus = true ? { (var.psk) = 1 } : { b = [2] }`,
		`cloud_config = { "${var.psk}" = "\u0000" }`,
		`cloud_config = var.psk`,
		`packages = [var.psk]`,
		`for_each = { (var.psk) = 1 }`,
		`for_each = toset([var.psk])`,
		`memory = var.psk`,
		`run = ["${var.psk}\u0000"]`,
		`image = var.psk`,
		`user "a" { hashed_password = var.psk }`,
		`user "a" { password = "${var.psk}\n" }`,
		`user "a" { ssh_keys = [var.psk] }`,
		`user "a" { ssh_keys = ["-----BEGIN RSA PRIVATE KEY-----\nCaNaRy-1234567890"] }`,
		`user "a" { ssh_keys = "-----BEGIN RSA PRIVATE KEY-----\nCaNaRy-1234567890" }`,
		`user "a" { hashed_password = "CaNaRy-1234567890" }`,
		`user "a" { hashed_password = ["CaNaRy-1234567890"] }`,
		`user "a" { pasword = "CaNaRy-1234567890" }`,
		`user "a" { pass = "CaNaRy-1234567890" }`,
		`user "a" { password = "CaNaRy-1234567890 }`,
		"user \"a\" {\n  password = \"x\"\n  password = \"CaNaRy-1234567890\"\n}",
		`user "a" { password = CaNaRy-1234567890 }`,
		`user "a" { password = CaNaRy-1234567890.x }`,
		`user "a" { password = 1 + "CaNaRy-1234567890" }`,
		`apt { proxy = var.psk }`,
		`file "/x" { content = "${var.psk}\u0001" }`,
		`file "/x" { source = var.psk }`,
		`nic "x" { network = var.psk }`,
		`nic "x" { mac = var.psk }`,
		`hostname = sensitive("CaNaRy-1234567890")`,
		`cpus = 1 + sensitive("CaNaRy-1234567890")`,

		// Loops lose marks.
		`cpus = [for s in var.list : s + 1]`,
		`cpus = [for i, s in var.list : s + i]`,
		`cpus = [for s in var.list : cidrhost(s, 1)]`,
		`cpus = [for s in var.list : 1 if s]`,
		`cpus = [for s in var.list : 1 if cidrhost(s, 1) == ""]`,
		`cpus = [for s in var.list : s ? 1 : 2]`,
		`cpus = [for s in var.list : { a = 1 }[s]]`,
		`cpus = [for s in var.list : [1][s]]`,
		`cpus = [for s in var.list : s.none]`,
		`cpus = [for s in var.list : true ? { (s) = 1 } : { b = [2] }]`,
		`cpus = [for s in var.list : try(cidrhost(s, 1), tonumber(s))]`,
		`cpus = try({ for s in var.list : substr(s, 0, 17) => 1 })`,
		`cpus = [for s in tolist(var.list) : cidrhost(s, 1)]`,
		`cpus = [for s in toset(var.list) : cidrhost(s, 1)]`,
		`cpus = [for s in concat(var.list, ["x"]) : cidrhost(s, 1)]`,
		`cpus = [for s in [for t in var.list : t] : cidrhost(s, 1)]`,
		`cpus = [for s in var.list : [for t in [s] : cidrhost(t, 1)]]`,
		`cpus = [for s in var.list : [for t in [s] : t + 1]]`,
		`cpus = [for s in sensitive(["CaNaRy-1234567890"]) : cidrhost(s, 1)]`,
		`cpus = [for s in sensitive(split("+", file("t.txt"))) : s + 1]`,
		`cpus = [for s in sensitive(split("+", file("t.txt"))) : cidrhost(s, 1)]`,
		`cpus = [for s in local.list : cidrhost(s, 1)]`,
		`cpus = [for s in local.list : s + 1]`,
		`cloud_config = { for k, v in var.object : k => v + 1 }`,
		`cloud_config = { for k, v in var.object : k => cidrhost(v, 1) }`,
		`cloud_config = { for k, v in tomap(var.object) : k => cidrhost(v, 1) }`,
		`cloud_config = { for k, v in var.object : substr(v, 0, 17) => k }`,
		`cloud_config = { for s in var.list : substr(s, 0, 17) => 1 }`,
		`cloud_config = { for k, v in { (var.psk) = 1 } : k => cidrhost(k, 1) }`,
		`cloud_config = { for k, v in { (var.psk) = 1 } : k => k + 1 }`,
		`cloud_config = { for k, v in { (var.psk) = 1 } : [k] => 1 }`,
		`timezone = "%{ for s in var.list }${s + 1}%{ endfor }"`,
		`timezone = "%{ for s in var.list }${cidrhost(s, 1)}%{ endfor }"`,
		`timezone = "%{ for s in var.list }${[s]}%{ endfor }"`,
		`timezone = "%{ for s in var.list }%{ if s }x%{ endif }%{ endfor }"`,
		`timezone = "%{ if var.psk }x%{ endif }"`,
		`timezone = "%{ if cidrhost(var.psk, 1) == "" }x%{ endif }"`,
		`timezone = templatefile("loop.tpl", { list = var.list })`,
		`timezone = templatefile("sensitive.tpl", {})`,
		`cpus = var.list[*].none`,
		`cpus = var.list[*] + 1`,
		`cpus = var.objects[*].k.none`,
		`cpus = var.objects.*.k.none`,
		`cpus = [for s in var.objects[*].k : cidrhost(s, 1)]`,
		`cpus = { a = 1 }[var.list[0]]`,
		`cpus = var.objects[var.psk]`,
		`cpus = tomap({ a = 1 })[var.psk]`,
		`cpus = tomap({ a = 1 })[var.list[0]] + cidrhost(var.list[0], 1)`,
	} {
		t.Run(body, func(t *testing.T) {
			image := "  image = image.i\n"
			if strings.HasPrefix(body, "image") {
				image = ""
			}
			if head, rest, ok := strings.Cut(body, "{ "); ok && !strings.Contains(head, "=") {
				body = head + "{\n" + strings.TrimSuffix(rest, " }") + "\n}"
			}
			checkSecret(t, "main.jeos.hcl", "jeos {\n  site = \"s\"\n}\nimage \"i\" {\n  source = \"i\"\n}\n"+
				"variable \"psk\" {\n  sensitive = true\n}\n"+secretVariables+"guest \"g\" {\n"+image+body+"\n}\n")
		})
	}
}

// TestSecretsInJSON is TestSecretsStaySecret for files in JSON, where keys and strings are templates.
func TestSecretsInJSON(t *testing.T) {
	for _, body := range []string{
		`"hostname": "${var.psk}"`,
		`"timezone": "${var.psk} !"`,
		`"cpus": "${1 + var.psk}"`,
		`"cpus": "${var.object.none}"`,
		`"cpus": "${[for s in var.list : s + 1]}"`,
		`"cpus": "${[for s in var.list : cidrhost(s, 1)]}"`,
		`"timezone": "%{ for s in var.list }${s + 1}%{ endfor }"`,
		`"timezone": "%{ for s in sensitive(split(\"+\", file(\"t.txt\"))) }${cidrhost(s, 1)}%{ endfor }"`,
		`"hostname": "${sensitive(\"CaNaRy-1234567890\")}"`,
		`"cloud_config": {"${var.psk}": 1}`,
		`"cloud_config": {"${var.psk}": 1, "${var.psk}": 2}`,
		`"cloud_config": {"a": [{"b": {"${var.psk}": 1}}]}`,
		`"cloud_config": {"${sensitive(\"CaNaRy-1234567890\")}": 1}`,
		`"cloud_config": {"a": "${[for s in var.list : s + 1]}"}`,
		`"run": ["${[for s in var.list : cidrhost(s, 1)]}"]`,
	} {
		t.Run(body, func(t *testing.T) {
			variables := `"psk": {"sensitive": true}`
			for _, name := range []string{"list", "object", "objects"} {
				variables += fmt.Sprintf(`, %q: {"sensitive": true, "type": "any"}`, name)
			}
			checkSecret(t, "main.jeos.hcl.json", `{"jeos": {"site": "s"}, "image": {"i": {"source": "i"}},`+"\n"+
				`"variable": {`+variables+"},\n"+`"guest": {"g": {"image": "${image.i}",`+"\n"+body+"\n}}}\n")
		})
	}
}

// TestSecretsOnOneLine puts a canary into a line where something else is wrong.
func TestSecretsOnOneLine(t *testing.T) {
	for _, body := range []string{
		`user "Bob" { password = "CaNaRy-1234567890" }`,
		`user "default" { password = "CaNaRy-1234567890" }`,
		`user "Bob" { password = "$CaNaRy-1234567890" }`,
		`user "Bob" { hashed_password = "CaNaRy-1234567890" }`,
		"user \"a\" { password = var.psk }\nuser \"a\" { password = \"CaNaRy-1234567890\" }",
	} {
		t.Run(body, func(t *testing.T) {
			checkSecret(t, "main.jeos.hcl", "jeos {\n  site = \"s\"\n}\nimage \"i\" {\n  source = \"i\"\n}\n"+
				"variable \"psk\" {\n  sensitive = true\n}\n"+secretVariables+"guest \"g\" {\n  image = image.i\n"+body+"\n}\n")
		})
	}
	t.Run("JSON", func(t *testing.T) {
		checkSecret(t, "main.jeos.hcl.json", `{"jeos": {"site": "s"}, "image": {"i": {"source": "i"}},`+"\n"+
			`"variable": {"psk": {}, "list": {}, "object": {}, "objects": {}},`+"\n"+
			`"guest": {"g": {"image": "${image.i}", "user": {"Bob": {"password": "CaNaRy-1234567890"}}}}}`+"\n")
	})
}

// checkSecret looks for the canary in what is said of a site that does not load.
func checkSecret(t *testing.T, name, text string) {
	t.Helper()
	dir := writeFiles(t, map[string]string{
		name: text,
		"x.auto.jeosvars": "psk = \"" + canary + "\"\nlist = [\"" + canary + "\", \"" + canary + "-2\"]\n" +
			"object = { k = \"" + canary + "\", l = \"" + canary + "-2\" }\nobjects = [{ k = \"" + canary + "\" }]\n",
		"i":             "",
		"t.txt":         canary + "+" + canary,
		"t.tpl":         "${tonumber(x)}",
		"loop.tpl":      "%{ for s in list }${cidrhost(s, 1)}%{ endfor }",
		"sensitive.tpl": "%{ for s in sensitive([file(\"t.txt\")]) }${cidrhost(s, 1)}%{ endfor }",
	})
	site, files, diags := config.Load(testOptions(dir))
	if site != nil {
		t.Fatal("loads")
	}
	checkUnseen(t, canary, dir, files, diags)
}

// TestSecretsOfBrokenVariables puts a canary into variables whose block or value is wrong.
func TestSecretsOfBrokenVariables(t *testing.T) {
	const canary = "canary"
	const good = "variable \"psk\" {\n  sensitive = true\n}\n"
	variable := func(args string) string { return "variable \"psk\" {\n" + args + "\n}\n" }
	for name, test := range map[string]struct {
		variable, file, values string
		unread                 bool // the file as a whole
	}{
		"mistyped":         {variable("sensitve = true"), "x.auto.jeosvars", "psk = \"canary\"\n", false},
		"in quotes":        {variable("sensitive = \"true\""), "x.auto.jeosvars", "psk = \"canary\"\n", false},
		"as a reference":   {variable("sensitive = yes"), "x.auto.jeosvars", "psk = \"canary\"\n", false},
		"with a type":      {variable("sensitve = true\ntype = number"), "x.auto.jeosvars", "psk = \"canary\"\n", false},
		"in a second one":  {"variable \"psk\" {}\n" + good, "x.auto.jeosvars", "psk = \"canary\"\n", false},
		"in a sum":         {variable("sensitive = true\ndefault = 1 + \"canary\""), "x.auto.jeosvars", "", false},
		"in a call":        {variable("sensitive = true\ndefault = lower(\"canary\")"), "x.auto.jeosvars", "", false},
		"unclosed":         {good, "x.auto.jeosvars", "psk = \"canary\n", true},
		"not in quotes":    {good, "x.auto.jeosvars", "psk = canary\n", false},
		"no equals sign":   {good, "x.auto.jeosvars", "psk canary\n", true},
		"a block":          {good, "x.auto.jeosvars", "canary {\n}\n", true},
		"JSON keyword":     {good, "x.auto.jeosvars.json", `{"psk": canary}`, true},
		"JSON template":    {good, "x.auto.jeosvars.json", `{"psk": "${canary}"}`, false},
		"JSON, unclosed":   {good, "x.auto.jeosvars.json", `{"psk": "canary}`, true},
		"JSON, two values": {good, "x.auto.jeosvars.json", `{"psk": "x" canary}`, true},
		"unknown function": {good, "x.auto.jeosvars", "psk = canary(1)\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeFiles(t, map[string]string{
				"main.jeos.hcl": "jeos {\n  site = \"s\"\n}\nvariable \"other\" {}\n" + test.variable +
					"guest \"g\" {\n  image = image.none\n  cpus = var.psk\n  timezone = \"${var.psk} !\"\n}\n",
				test.file: test.values,
			})
			site, files, diags := config.Load(testOptions(dir))
			if site != nil {
				t.Fatal("loads")
			}
			checkUnseen(t, canary, dir, files, diags)
			if test.unread && strings.Contains(diags.Error(), "Missing value") {
				t.Errorf("a value that could not be read is missing, too: %v", diags)
			}
		})
	}
}

// checkUnseen looks for a canary in all that can be made of the diagnostics of the site in dir.
func checkUnseen(t *testing.T, canary, dir string, files map[string]*hcl.File, diags hcl.Diagnostics) {
	t.Helper()
	var shown bytes.Buffer
	for _, show := range []func() error{
		func() error { return diag.Text(&shown, files, diags, diag.Options{Color: true}) },
		func() error { return diag.JSON(&shown, files, diags, diag.Options{}) },
	} {
		if err := show(); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range diags {
		shown.WriteString(d.Error())
	}
	text := strings.ReplaceAll(shown.String(), dir, "") // which has the name of the test in it
	if strings.Contains(strings.ToLower(text), strings.ToLower(canary)) {
		t.Errorf("the secret is shown:\n%s", text)
	}
}

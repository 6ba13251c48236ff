package config_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"jeos/internal/config"
)

// TestFunctions evaluates expressions to text. A want that begins with "error" is part of a diagnostic.
func TestFunctions(t *testing.T) {
	files := map[string]string{
		"a.txt":       "A\n",
		"bin":         "\xff",
		"accent.txt":  "e\u0301",
		"d/b.txt":     "b",
		"d/e/c.txt":   "c",
		"d/e/c.md":    "m",
		"t.tpl":       "%{ for x in list ~}\n- ${x}\n%{ endfor ~}\n",
		"inner.tpl":   "${templatefile(\"t.tpl\", {})}",
		"broken.tpl":  "${",
		"home/h.txt":  "h",
		"nested.tpl":  strings.Repeat("${", 200),
		"noarg.tpl":   "${missing}",
		"failing.tpl": "line 1\n${tonumber(\"x\")}",
	}
	for _, test := range []struct{ expr, want string }{
		{`abs(-3) + ceil(1.2) + floor(1.8) + max(1, 9) + min(1, 9) + parseint("ff", 16) + signum(-2)`, "270"},
		{`pow(2, 10) + log(8, 2)`, "1027"},
		{`upper("a") == "A" && lower("A") == "a" && title("ab") == "Ab"`, "true"},
		{`trim("xax", "x") == "a" && trimspace(" a ") == "a" && trimprefix("ab", "a") == "b" && trimsuffix("ab", "b") == "a"`, "true"},
		{`replace("a.b", ".", "-")`, "a-b"},
		{`replace("a12", "/[0-9]+/", "#")`, "a#"},
		{`regex("[a-z]+", "12ab34")`, "ab"},
		{`jsonencode(regexall("[0-9]", "a1b2"))`, `["1","2"]`},
		{`join("+", split(",", "a,b"))`, "a+b"},
		{`format("%s-%03d", "a", 7)`, "a-007"},
		{`join(",", formatlist("%s!", ["a", "b"]))`, "a!,b!"},
		{`substr("hello", 1, 3)`, "ell"},
		{`strrev("abc")`, "cba"},
		{`indent(2, "a\nb")`, "a\n  b"},
		{`chomp("a\n")`, "a"},
		{`length("äö") + length([1, 2, 3]) + length({ a = 1 })`, "6"},
		{`length(3)`, "error a list, set, map, object or string is required"},
		{`join(",", keys({ b = 1, a = 2 }))`, "a,b"},
		{`jsonencode(values({ b = 1, a = 2 }))`, "[2,1]"},
		{`lookup({ a = 1 }, "b", 5)`, "5"},
		{`jsonencode(merge({ a = 1 }, { b = 2 }))`, `{"a":1,"b":2}`},
		{`jsonencode(concat([1], [2]))`, "[1,2]"},
		{`contains(["a"], "a")`, "true"},
		{`jsonencode(distinct([1, 1, 2]))`, "[1,2]"},
		{`jsonencode(flatten([[1], [2, [3]]]))`, "[1,2,3]"},
		{`jsonencode(reverse([1, 2]))`, "[2,1]"},
		{`jsonencode(sort(["b", "a"]))`, `["a","b"]`},
		{`jsonencode(range(3))`, "[0,1,2]"},
		{`jsonencode(slice(["a", "b", "c"], 1, 2))`, `["b"]`},
		{`element(["a", "b"], 3)`, "b"},
		{`index(["a", "b"], "b")`, "1"},
		{`index(["a"], "z")`, "error the value is not in the list"},
		{`coalesce("", "b")`, ""},
		{`coalesce(null, "b")`, "b"},
		{`jsonencode(coalescelist([], [1]))`, "[1]"},
		{`jsonencode(compact(["", "a"]))`, `["a"]`},
		{`jsonencode(chunklist([1, 2, 3], 2))`, "[[1,2],[3]]"},
		{`jsonencode(zipmap(["a"], [1]))`, `{"a":1}`},
		{`jsonencode(setunion(["a"], ["b"]))`, `["a","b"]`},
		{`jsonencode(setintersection(["a", "b"], ["b"]))`, `["b"]`},
		{`jsonencode(setsubtract(["a", "b"], ["b"]))`, `["a"]`},
		{`jsonencode(setproduct(["a"], ["b"]))`, `[["a","b"]]`},
		{`jsonencode([tolist(["a"]), toset(["a", "a"]), tomap({ a = 1 }), tostring(1), tonumber("1"), tobool("true")])`,
			`[["a"],["a"],{"a":1},"1",1,true]`},
		{`try(tonumber("x"), 5)`, "5"},
		{`can(tonumber("x"))`, "false"},
		{`one(["a"])`, "a"},
		{`one([1, 2])`, "error at most one element"},
		{`one([]) == null`, "true"},
		{`alltrue([true, false]) || anytrue([false, true])`, "true"},
		{`alltrue([]) && !anytrue([])`, "true"},
		{`sum([1, 2.5])`, "3.5"},
		{`sum(["x"])`, "error a list of numbers is required"},
		{`startswith("abc", "ab") && endswith("abc", "bc") && strcontains("abc", "b")`, "true"},

		{`jsonencode(pci("8086:2723"))`, `{"address":null,"id":"8086:2723"}`},
		{`jsonencode(pci("0000:03:1F.7"))`, `{"address":"0000:03:1f.7","id":null}`},
		{`pci("ABCD:00ef").id`, "abcd:00ef"},
		{`pci("03:00.0")`, "error a device is named by"},
		{`pci("0000:03:20.0")`, "error a device is named by"},
		{`pci("0000:03:00.8")`, "error a device is named by"},
		{`pci("8086:2723 ")`, "error a device is named by"},
		{`pci("")`, "error a device is named by"},

		{`file("a.txt")`, "A\n"},
		{`file("~/h.txt")`, "h"},
		{`file("${path.site}/a.txt")`, "A\n"},
		{`file("bin")`, "error not UTF-8"},
		{`file("gone")`, "error there is no file"},
		{`file("d")`, "error is a folder"},
		{`filebase64("bin")`, "/w=="},
		{`fileexists("a.txt") && !fileexists("d") && !fileexists("gone")`, "true"},
		{`join(",", fileset("d", "**"))`, "b.txt,e/c.md,e/c.txt"},
		{`join(",", fileset("d", "**/*.txt"))`, "b.txt,e/c.txt"},
		{`join(",", fileset("d", "*/c.*"))`, "e/c.md,e/c.txt"},
		{`join(",", fileset("gone", "*"))`, "error there is no file"},
		{`join(",", fileset("d", "[")) `, "error is no pattern"},
		{`basename("a/b") == "b" && dirname("a/b") == "a"`, "true"},
		{`templatefile("t.tpl", { list = ["a", "b"] })`, "- a\n- b\n"},
		{`templatefile("inner.tpl", {})`, "error There is no function named"},
		{`templatefile("broken.tpl", {})`, "error broken.tpl:1"},
		{`templatefile("nested.tpl", {})`, "error Nesting too deep"},
		{`templatefile("noarg.tpl", { other = 1 })`, `error but the call passes "other"`},
		{`templatefile("failing.tpl", {})`, "error failing.tpl:2"},

		{`cidrhost("10.0.0.0/24", 5)`, "10.0.0.5"},
		{`cidrhost("10.0.0.0/24", -1)`, "10.0.0.255"},
		{`cidrhost("10.0.0.0/24", 256)`, "error has no host with the number 256"},
		{`cidrhost("fd00::/64", 18446744073709551615)`, "fd00::ffff:ffff:ffff:ffff"},
		{`cidrhost("x", 1)`, "error is no range of addresses"},
		{`cidrsubnet("10.0.0.0/8", 8, 2)`, "10.2.0.0/16"},
		{`cidrsubnet("fd00::/48", 16, 255)`, "fd00:0:0:ff::/64"},
		{`cidrsubnet("10.0.0.0/24", 9, 0)`, "error cannot be extended"},
		{`cidrsubnet("10.0.0.0/24", 1, 2)`, "error no subnet with the number 2"},
		{`cidrcontains("10.0.0.0/24", "10.0.0.255")`, "true"},
		{`cidrcontains("10.0.0.0/24", "10.0.1.0")`, "false"},
		{`cidrcontains("10.0.0.0/24", "10.0.0.128/25")`, "true"},
		{`cidrcontains("10.0.0.0/24", "10.0.0.0/23")`, "false"},
		{`cidrcontains("fd00::/64", "fd00:0::1")`, "true"},
		{`cidrcontains("fd00::/64", "10.0.0.1")`, "error not of one family"},
		{`cidrcontains("::/0", "fe80::1%eth0")`, "error no address"},
		{`cidrcontains("10.0.0.1", "10.0.0.1")`, "error no range of addresses like"},
		{`cidrnetmask("10.0.0.0/20")`, "255.255.240.0"},
		{`cidrnetmask("fd00::/64")`, "error only IPv4"},

		{`sha256("")`, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{`base64decode(base64encode("ä"))`, "ä"},
		{`base64decode("/w==")`, "error not UTF-8"},
		{`base64decode("ZcyB")`, "error normal form C"},
		{`file("accent.txt")`, "error normal form C"},
		{`filebase64("accent.txt")`, "ZcyB"},
		{`templatefile("accent.txt", {})`, "error Text is not normal"},
		{`env("ACCENT")`, "error normal form C"},
		{"length(\"caf\u00e9\")", "4"},
		{"length(\"cafe\u0301\")", "error normal form C"},
		{"length(\"\u212b\")", "error normal form C"},
		{`length("cafe\u0301")`, "error normal form C"},
		{`length("\U0000212b")`, "error normal form C"},
		{`length("\\u212b")`, "6"},
		{`jsondecode("{\"a\": [1]}").a[0]`, "1"},
		{`csvdecode("a,b\n1,2\n")[0].b`, "2"},
		{`yamlencode({ b = ["yes", 1, true, null], a = "52:54:00:12:34:56", c = {} })`,
			"\"a\": \"52:54:00:12:34:56\"\n\"b\":\n- \"yes\"\n- 1\n- true\n- null\n\"c\": {}\n"},
		{`env("SET")`, "from the environment"},
		{`env("UNSET", "default")`, "default"},
		{`env("UNSET")`, "error is not set"},
		{`nonsensitive(sensitive("x"))`, "x"},
		{`jsonencode([sensitive("x")])`, "error sensitive"},
		{`timestamp()`, "error There is no function named"},
		{`formt("x")`, `error Did you mean "format"?`},
	} {
		t.Run(test.expr, func(t *testing.T) {
			files["main.jeos.hcl"] = "jeos {\n  site = \"s\"\n}\noutput \"o\" {\n  value = \"${" + test.expr + "}\"\n}\n"
			dir := writeFiles(t, files)
			opt := testOptions(dir)
			opt.Env = func(name string) (string, bool) {
				return map[string]string{"SET": "from the environment", "ACCENT": "e\u0301"}[name], name == "SET" || name == "ACCENT"
			}
			site, parsed, diags := config.Load(opt)
			if part, ok := strings.CutPrefix(test.want, "error "); ok {
				checkDiagnostics(t, parsed, diags)
				if site != nil || !strings.Contains(diags[0].Detail, part) {
					t.Errorf("got %v, want %q", diags, part)
				}
				return
			}
			if site == nil {
				t.Fatal(render(t, dir, parsed, diags))
			}
			if got := text(site.Outputs[0]); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// text returns a value as a template shows it.
func text(out config.Output) string {
	v, err := convert.Convert(out.Value, cty.String)
	if err != nil || v.IsNull() {
		return "no text"
	}
	return v.AsString()
}

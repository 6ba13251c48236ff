package config

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/mod/semver"

	"jeos/internal/words"
)

var poolRE = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// checkVersion returns what to say when this jeos is too old or too new for the files. It comes before everything else,
// since such a jeos misunderstands the rest.
func (l *loader) checkVersion() *hcl.Diagnostic {
	s := l.section(l.jeos, &scope{})
	constraints := s.text("required_version", "version constraint", "")
	if constraints == "" {
		return nil
	}
	ok, understood := versionSatisfies(l.opt.Version, constraints)
	if !understood {
		l.add(s.at("required_version"), "Invalid version constraint",
			`%s is no version constraint. Write comparisons with commas between them, like ">= 0.1, < 2".`, words.Quote(constraints))
	}
	if !understood || ok {
		return nil
	}
	return words.Problem(s.at("required_version"), "Unsupported version of jeos",
		"This site needs jeos %s, and this is jeos %s. Use another version of jeos, or change the constraint.",
		constraints, l.opt.Version)
}

var constraintRE = regexp.MustCompile(`^(=|!=|>|>=|<|<=|~>)? *v?([0-9]+(\.[0-9]+){0,2}(-[0-9A-Za-z.-]+)?)$`)

// versionSatisfies compares a version with constraints in Terraform's notation: "~> 1.2" allows the last number alone
// to grow. A pre-release counts as its release.
func versionSatisfies(version, constraints string) (ok, understood bool) {
	v := "v" + strings.TrimPrefix(version, "v")
	v = strings.TrimSuffix(semver.Canonical(v), semver.Prerelease(v))
	ok = true
	for _, c := range strings.Split(constraints, ",") {
		m := constraintRE.FindStringSubmatch(strings.TrimSpace(c))
		if m == nil {
			return false, false
		}
		order := semver.Compare(v, "v"+m[2])
		ok = ok && slices.Contains(map[string][]int{
			"": {0}, "=": {0}, "!=": {-1, 1}, ">": {1}, ">=": {0, 1}, "<": {-1}, "<=": {-1, 0}, "~>": {0, 1},
		}[m[1]], order)
		if m[1] == "~>" {
			numbers := strings.Split(m[2], ".")
			fixed := numbers[:max(1, len(numbers)-1)]
			ok = ok && strings.HasPrefix(v+".", "v"+strings.Join(fixed, ".")+".")
		}
	}
	if version == "" || version == "(devel)" {
		ok = true
	}
	return ok, true
}

// loadJeos reads the jeos block.
func (l *loader) loadJeos() {
	if l.jeos == nil {
		return
	}
	s := l.section(l.jeos, scopeJeos)
	l.site.Name = s.text("site", "site name", "", words.Matching(nameRE, "name for a site", nameRule))
	l.site.URI = s.text("uri", "libvirt URI", "", checkURI)
	pool := s.text("pool", "pool name", "jeos", words.Matching(poolRE, "name for a pool",
		"Use at most 64 letters, digits, dots, hyphens and underscores, starting with a letter or digit."))
	path := "/var/lib/libvirt/images/" + pool
	if u, err := url.Parse(l.site.URI); err == nil && u.Scheme == "qemu" && u.Path == "/session" && u.Host == "" {
		path = filepath.Join(l.opt.Home, ".local/share/libvirt/images", pool)
	}
	l.site.Pool = Pool{
		Name:   pool,
		Path:   s.text("pool_path", "pool path", path, checkPath),
		Origin: origin(l.jeos.at),
	}
}

// checkURI accepts the URIs of https://libvirt.org/uri.html that jeos can connect to.
func checkURI(s string) string {
	schemes := []string{"qemu", "qemu+ssh", "qemu+tls", "qemu+unix", "test"}
	const remedy = ` Write one like "qemu:///system" or "qemu+ssh://user@host/system".`
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme == "" || u.Opaque != "":
		return words.Quote(s) + " is no URI." + remedy
	case !slices.Contains(schemes, u.Scheme):
		return "jeos cannot connect to " + words.Quote(u.Scheme) + ", only to " + words.And(words.Quoted(schemes)) + "." + remedy
	case u.User != nil && strings.Contains(u.User.String(), ":"):
		return "A URI is shown in plans, so it cannot hold a password. Use a key or a certificate."
	case u.Scheme != "test" && u.Path != "/system" && u.Path != "/session":
		return words.Quote(s) + " does not end in /system or /session." + remedy
	case (u.Scheme == "qemu+ssh" || u.Scheme == "qemu+tls") && u.Host == "":
		return words.Quote(s) + " names no host." + remedy
	case (u.Scheme == "qemu" || u.Scheme == "qemu+unix") && u.Host != "":
		return words.Quote(s) + " names a host. Write qemu+ssh or qemu+tls to reach it, or leave the host out."
	case strings.HasPrefix(u.Host, "-") || u.User != nil && strings.HasPrefix(u.User.Username(), "-"):
		return words.Quote(s) + " has a host or user that begins with a hyphen." + remedy
	}
	return ""
}

// checkPath accepts absolute paths in their shortest form.
func checkPath(s string) string {
	switch {
	case !strings.HasPrefix(s, "/"):
		return words.Quote(s) + ` is no absolute path. Begin it with "/".`
	case filepath.Clean(s) != s:
		return words.Quote(s) + " is not the shortest form of its path. Write " + words.Quote(filepath.Clean(s)) + "."
	}
	return ""
}

// loadOutput reads an output block.
func (l *loader) loadOutput(b *block) {
	s := l.section(b, scopeSite)
	out := Output{Name: b.name, Sensitive: s.flag("sensitive", false)}
	s.text("description", "description", "")
	attr := b.args["value"]
	if attr == nil {
		return
	}
	value := l.evaluate(attr.Expr, scopeSite)
	if !value.IsWhollyKnown() {
		l.incomplete = true
		return
	}
	if isSensitive(value) && !out.Sensitive {
		l.add(attr.NameRange, "Sensitive output",
			"The value of this output comes from a sensitive value, and outputs are shown. Add sensitive = true to the block,"+
				" or use nonsensitive(…) if it is no secret in truth.")
		return
	}
	out.Value, _ = value.UnmarkDeep()
	if text := checkStrings(out.Value); text != "" {
		l.addHidden(attr.Expr.Range(), "Invalid output", "%s", text)
		return
	}
	l.site.Outputs = append(l.site.Outputs, out)
}

// checkStrings applies checkContent to all strings and keys in a value.
func checkStrings(v cty.Value) (problem string) {
	_ = cty.Walk(v, func(path cty.Path, v cty.Value) (bool, error) {
		if !v.IsNull() && v.Type() == cty.String && problem == "" {
			problem = checkContent(v.AsString())
		}
		if !v.IsNull() && (v.Type().IsMapType() || v.Type().IsObjectType()) {
			for key := range v.AsValueMap() {
				if problem == "" {
					problem = words.CheckLine(key)
				}
			}
		}
		return true, nil
	})
	return problem
}

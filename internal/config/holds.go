package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"jeos/internal/words"
)

// contents is what is known of the packages in an image.
type contents struct {
	packages map[string]bool
	complete bool // what is not among the packages is not in the image
}

// contentsOf tells what an image holds: what the manifest of its file says, or what its bake has made of its base, and
// what provides says. What the packages of a bake depend on is not known and must be named by those who need it. Not ok
// means that its block has a mistake.
func (l *loader) contentsOf(img *Image) (c contents, ok bool) {
	if l.vague[img.Name] {
		return contents{}, false
	}
	c = contents{packages: map[string]bool{}}
	if img.Bake != nil {
		if c, ok = l.contentsOf(l.images[img.Bake.Base]); !ok {
			return c, false
		}
		c.add(img.Bake.Packages)
		for _, p := range img.Bake.RemovePackages {
			delete(c.packages, packageName(p))
		}
	} else if img.Locked != nil && l.opt.Holds != nil {
		packages, known := l.opt.Holds(img.SHA256, img.Locked.ManifestSHA256)
		c.add(packages)
		c.complete = known
	}
	c.add(l.provides[img.Name])
	return c, true
}

func (c contents) add(packages []string) {
	for _, p := range packages {
		c.packages[packageName(p)] = true
	}
}

// checkPackages finds packages that the guest cannot install where it is, as they are not in its image.
func (l *loader) checkPackages(inst *instance, g *Guest) {
	img := l.images[g.Image]
	if img == nil || len(g.Packages) == 0 || reachesPackages(g) {
		return
	}
	c, ok := l.contentsOf(img)
	missing := slices.DeleteFunc(slices.Clone(g.Packages), func(p string) bool { return c.packages[packageName(p)] })
	if !ok || len(missing) == 0 {
		return
	}
	s := l.section(inst.block, inst.scope)
	at, them := s.at("packages"), "them"
	if g.Role != nil && !s.has("packages") {
		at = inst.role.block.at
	}
	if len(missing) == 1 {
		them = "it"
	}
	why, gateway := "No nic of this guest has a way out, apt names no mirror or proxy", gatewayOut(g)
	switch {
	case len(g.NICs) == 0:
		why = "A guest without a nic installs nothing"
	case gateway != "":
		why = fmt.Sprintf("The only way out of this guest is guest %s, which may not be open yet when this one boots first", words.Quote(gateway))
	}
	remedy := fmt.Sprintf("list %s in provides of that image; otherwise bake an image that holds %s, and use it:\n\n%s", them, them,
		l.bakeExample(img.Name, missing))
	holds := fmt.Sprintf("nobody knows whether the image %s at %s holds %s. If it does,", words.Quote(img.Name), img.Origin, words.And(missing))
	if c.complete {
		holds = fmt.Sprintf("the image %s at %s does not hold %s. If another package stands in for %s,", words.Quote(img.Name), img.Origin,
			words.And(missing), them)
	}
	detail := why + ", and " + holds + " " + remedy
	if c.complete && gateway == "" {
		l.add(at, "Packages cannot be installed", "%s", detail)
		return
	}
	l.warn(at, "Packages may not be there", "%s", detail)
}

// reachesPackages reports whether a guest has a way to where packages come from: out of its networks, with no other guest
// between, or to a mirror or proxy, which may be on any of them.
func reachesPackages(g *Guest) bool {
	out := slices.ContainsFunc(g.NICs, func(n NIC) bool { return n.DefaultRoute && n.Via == "" })
	return out || len(g.NICs) > 0 && g.Apt != (Apt{})
}

// gatewayOut returns the guest that is the way out of another one, or "".
func gatewayOut(g *Guest) string {
	for _, n := range g.NICs {
		if n.DefaultRoute {
			return n.Via
		}
	}
	return ""
}

var notIdentifierRE = regexp.MustCompile(`[^a-z0-9_-]+`)

// bakeExample shows the image block that would solve the lack of packages.
func (l *loader) bakeExample(base string, missing []string) string {
	name := base + "_with_" + notIdentifierRE.ReplaceAllString(packageName(missing[0]), "-")
	name = strings.TrimRight(name[:min(len(name), 60)], "-_")
	for l.blocks["image"][name] != nil {
		name += "_2"
	}
	return fmt.Sprintf("    image %q {\n      base     = image.%s\n      packages = [%s]\n    }\n\n    image = image.%s",
		name, base, strings.Join(words.Quoted(missing), ", "), name)
}

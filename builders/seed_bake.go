package builders

import (
	"fmt"
	"strings"

	"jeos/internal/config"
)

// bakeFolder is where the guest that bakes an image finds what it has to do. It is in memory, so that nothing of it gets
// into the image. Beside the script it holds "first-boot", which the first boot alone writes, and may hold:
//
//	packages   to install, one a line
//	remove     packages to remove, likewise
//	upgrade    if it is there, what is installed already is brought up to date first
//	kernel     the wanted kernel, "generic" or "virtual"
//	apt.cfg    cloud-config with where packages come from
//	files      "NUMBER/MODE/OWNER/PATH" of files to write when the packages are there, one a line
//	file-N     the content of such a file
//	run        shell script
//	secret     names of those of these files whose output must not be shown, one a line
const bakeFolder = "/run/jeos/bake/"

// baking are the guest files that make an image of a guest. The boot script writes them.
var baking = []installedFile{
	{"bake.sh", bakeFolder + "bake.sh", "755"},
	{"jeos-bake.service", "/run/systemd/system/jeos-bake.service", "644"},
}

// renderBakeSeed returns the seed of the guest that bakes an image.
func renderBakeSeed(site *config.Site, i *config.Image) (seed, error) {
	site, g := bakingSite(site, i), bakeGuest(site, i)
	return seedWith(site, g, InstanceID(site.Name, g.Name), bakeScript())
}

// bakeScript is the boot script of a guest that bakes an image.
func bakeScript() string {
	var b strings.Builder
	b.WriteString(guestFile("boot.sh"))
	b.WriteString("echo 'bake: first boot' >/run/jeos/work\n")
	for _, f := range append(reporting[:len(reporting):len(reporting)], baking...) {
		b.WriteString(f.put())
	}
	b.WriteString("finish\nsystemctl --no-block start jeos-bake.service\n")
	return b.String()
}

// bakeFiles returns the files that the first boot writes: those of the recipe, and what the script reads. Files of others
// than root can only be written when the packages that make these accounts are there.
func bakeFiles(b *config.Bake) []config.File {
	var files []config.File
	var late, secret []string
	add := func(name string, content []byte) {
		files = append(files, config.File{Path: bakeFolder + name, Content: content, Mode: 0o600, Owner: "root:root"})
	}
	for _, f := range b.Files {
		if !isLate(&f) {
			files = append(files, f)
			continue
		}
		late = append(late, fmt.Sprintf("%d/%04o/%s/%s", len(late)+1, f.Mode, f.Owner, f.Path))
		add(fmt.Sprintf("file-%d", len(late)), f.Content)
	}
	list := func(name string, lines []string) {
		if len(lines) > 0 {
			add(name, []byte(strings.Join(lines, "\n")+"\n"))
		}
	}
	add("first-boot", nil)
	list("files", late)
	list("packages", b.Packages)
	list("remove", b.RemovePackages)
	list("run", bakeRun(b.Run))
	if b.Serial > 1 {
		add("upgrade", nil)
	}
	if b.Kernel != "keep" {
		list("kernel", []string{b.Kernel})
	}
	if apt := aptConfig(b.Apt); len(apt) > 0 {
		add("apt.cfg", cloudConfigFile(map[string]any{"apt": apt}))
	}
	if b.Apt.Mirror.Sensitive || b.Apt.Proxy.Sensitive {
		secret = append(secret, "apt")
	}
	if anySensitive(b.Run) {
		secret = append(secret, "run")
	}
	list("secret", secret)
	return files
}

// bakeRun returns the lines of a script that stops at the first command that fails and leaves its number behind; "all"
// when it comes to its end.
func bakeRun(run []config.Text) []string {
	if len(run) == 0 {
		return nil
	}
	lines := []string{"set -e"}
	for n, line := range run {
		lines = append(lines, fmt.Sprintf("echo %d >%sline", n+1, bakeFolder), line.Value)
	}
	return append(lines, fmt.Sprintf("echo all >%sline", bakeFolder))
}

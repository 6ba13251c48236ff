package builders

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"jeos/internal/config"
)

const consoleDropIn = "/etc/systemd/system/serial-getty@ttyS0.service.d/jeos.conf"

// userData returns the user-data of a guest: one cloud-config
// (https://docs.cloud-init.io/en/latest/reference/modules.html) in words that cloud-init 22.4 and later know, with the
// guest's own cloud_config merged into it. The script is for every boot. It is written as shell lines, which cloud-init runs
// from a file: as an argument of a command it could be no longer than 128 KiB, and anybody in the guest could read it.
func userData(g *config.Guest, script string) []byte {
	cloud := map[string]any{
		"bootcmd":           []any{"(\n" + script + ")"},
		"disable_root":      true,
		"hostname":          shortName(g.Hostname),
		"preserve_hostname": false,
		"ssh_pwauth":        false,
		"updates":           map[string]any{"network": map[string]any{"when": []any{"boot"}}},
		"users":             users(g.Users),
	}
	set := func(key string, value any, wanted bool) {
		if wanted {
			cloud[key] = value
		}
	}
	set("fqdn", g.Hostname, strings.Contains(g.Hostname, "."))
	set("manage_etc_hosts", "localhost", !writes(g.Files, "/etc/hosts"))
	set("timezone", g.Timezone, g.Timezone != "")
	set("locale", g.Locale, g.Locale != "")
	set("swap", map[string]any{"filename": "/swap.img", "size": g.Swap, "maxsize": g.Swap}, g.Swap > 0)

	apt := aptConfig(g.Apt)
	set("apt", apt, len(apt) > 0)
	list := packages(g)
	set("packages", list, len(list) > 0)
	set("package_update", true, len(list) > 0)
	files := writeFiles(g)
	set("write_files", files, len(files) > 0)
	run := runCommands(g)
	set("runcmd", run, len(run) > 0)

	return cloudConfigFile(mergeCloudConfig(cloud, g.CloudConfig))
}

// cloudConfigFile returns a file with that cloud-config.
func cloudConfigFile(cloud map[string]any) []byte {
	return append([]byte("#cloud-config\n"), encodeYAML(cloud)...)
}

// mergeCloudConfig merges over into base: objects key by key, lists appended, everything else replaced.
func mergeCloudConfig(base, over map[string]any) map[string]any {
	for key, value := range over {
		switch value := value.(type) {
		case map[string]any:
			if old, ok := base[key].(map[string]any); ok {
				base[key] = mergeCloudConfig(old, value)
				continue
			}
		case []any:
			if old, ok := base[key].([]any); ok {
				base[key] = append(old, value...)
				continue
			}
		}
		base[key] = value
	}
	return base
}

// users returns the accounts to make. The image's default account is not among them. An empty name stands for no
// account: the list must not be empty, and without it cloud-init makes the default account.
func users(declared []config.User) []any {
	if len(declared) == 0 {
		return []any{""}
	}
	var list []any
	for _, u := range declared {
		user := map[string]any{"name": u.Name, "lock_passwd": u.HashedPassword == ""}
		if u.HashedPassword != "" {
			user["hashed_passwd"] = u.HashedPassword
		}
		if len(u.SSHKeys) > 0 {
			user["ssh_authorized_keys"] = anyList(u.SSHKeys)
		}
		if u.Sudo {
			user["sudo"] = "ALL=(ALL) NOPASSWD:ALL"
		}
		if len(u.Groups) > 0 {
			user["groups"] = anyList(u.Groups)
		}
		if u.Shell != "" {
			user["shell"] = u.Shell
		}
		if u.UID != nil {
			user["uid"] = *u.UID
		}
		if u.Gecos != "" {
			user["gecos"] = u.Gecos
		}
		list = append(list, user)
	}
	return list
}

// packages returns what to install, then what to remove: a hyphen after a name removes the package.
func packages(g *config.Guest) []any {
	list := anyList(g.Packages)
	for _, name := range g.RemovePackages {
		list = append(list, name+"-")
	}
	return list
}

// aptConfig returns where packages come from. Debian has its security updates beside its archive and not in it.
func aptConfig(apt config.Apt) map[string]any {
	conf := map[string]any{}
	if mirror := apt.Mirror.Value; mirror != "" {
		security := mirror
		if base, ok := strings.CutSuffix(strings.TrimRight(mirror, "/"), "/debian"); ok {
			security = base + "/debian-security"
		}
		source := func(uri string) []any {
			return []any{map[string]any{"arches": []any{"default"}, "uri": uri}}
		}
		conf["preserve_sources_list"] = false
		conf["primary"], conf["security"] = source(mirror), source(security)
	}
	if proxy := apt.Proxy.Value; proxy != "" {
		conf["http_proxy"], conf["https_proxy"] = proxy, proxy
	}
	return conf
}

// runCommands returns the lines of the script that the first boot ends with. It stops at the first line that fails, so
// that the guest is not reported as ready.
func runCommands(g *config.Guest) []any {
	var lines []any
	if g.ConsoleLogin {
		lines = append(lines, "systemctl daemon-reload", "systemctl restart serial-getty@ttyS0.service")
	}
	for _, line := range g.Run {
		lines = append(lines, line.Value)
	}
	if len(lines) == 0 {
		return nil
	}
	return append([]any{"set -e"}, lines...)
}

func writeFiles(g *config.Guest) []any {
	files := g.Files
	if g.ConsoleLogin {
		files = append(files[:len(files):len(files)], config.File{
			Path: consoleDropIn, Content: []byte(guestFile("console.conf")), Mode: 0o644, Owner: "root:root",
		})
	}
	var list []any
	for _, f := range files {
		list = append(list, writeFile(&f))
	}
	return list
}

func writeFile(f *config.File) map[string]any {
	file := map[string]any{
		"path":        f.Path,
		"permissions": fmt.Sprintf("%04o", f.Mode),
		"owner":       f.Owner,
	}
	if isPlainText(f.Content) {
		file["content"] = string(f.Content)
	} else {
		file["content"] = base64.StdEncoding.EncodeToString(f.Content)
		file["encoding"] = "b64"
	}
	if isLate(f) {
		file["defer"] = true
	}
	return file
}

// isLate reports whether a file must wait for the accounts of the guest: cloud-init writes files before it makes them,
// unless they are deferred. A home must not be there before its account is.
func isLate(f *config.File) bool {
	return f.Owner != "root:root" || strings.HasPrefix(f.Path, "/home/")
}

// isPlainText reports whether content is text that reads well in YAML. Everything else is written in base64.
func isPlainText(content []byte) bool {
	for _, r := range string(content) {
		if r != '\n' && r != '\t' && !strconv.IsPrint(r) {
			return false
		}
	}
	return utf8.Valid(content)
}

func writes(files []config.File, path string) bool {
	for _, f := range files {
		if f.Path == path {
			return true
		}
	}
	return false
}

func shortName(hostname string) string {
	short, _, _ := strings.Cut(hostname, ".")
	return short
}

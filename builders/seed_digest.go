package builders

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"golang.org/x/crypto/argon2"

	"jeos/internal/config"
	"jeos/plan"
)

// Parameters of argon2id (RFC 9106): what hashing one secret costs whoever guesses it, and us at every plan.
const (
	argonTime   = 1
	argonMemory = 46 << 10 // KiB
	argonLength = 16       // bytes
)

// hasher makes digests that may be read by anybody. Values that are secret or easy to guess go through argon2id with a
// salt of the site, everything else through SHA-256. It remembers what it has hashed, and is not safe for concurrent
// use.
type hasher struct {
	site string
	done map[[sha256.Size]byte]string
}

func newHasher(site string) *hasher {
	return &hasher{site: site, done: map[[sha256.Size]byte]string{}}
}

// public returns the digest of a value that is no secret: "sha256:" and 16 hex digits.
func (h *hasher) public(value []byte) string {
	sum := sha256.Sum256(value)
	return "sha256:" + hex.EncodeToString(sum[:8])
}

// secret returns the digest of a secret: "argon2id:" and 32 hex digits. The same secret has different digests in
// different sites and kinds.
func (h *hasher) secret(kind string, value []byte) string {
	salt := sha256.Sum256([]byte(h.site + "\x00" + kind))
	key := sha256.Sum256(append(salt[:], value...))
	if digest, ok := h.done[key]; ok {
		return digest
	}
	digest := "argon2id:" + hex.EncodeToString(argon2.IDKey(value, salt[:16], argonTime, argonMemory, 1, argonLength))
	h.done[key] = digest
	return digest
}

// content returns the digest of a part of a recipe: "sha256:" and 64 hex digits, or that of a secret.
func (h *hasher) content(value []byte, secret bool) string {
	if secret {
		return h.secret("recipe", value)
	}
	sum := sha256.Sum256(value)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// text is content for a setting. One that is not set has no digest.
func (h *hasher) text(t config.Text) string {
	if t.Value == "" {
		return ""
	}
	return h.content([]byte(t.Value), t.Sensitive)
}

// seedAttrs returns the attributes of a guest that its seed brings about, as digests. They are not sorted. What the
// files do not set has no attribute, but for seed.network and seed.disks, which are always there.
func seedAttrs(site *config.Site, g *config.Guest, h *hasher) ([]plan.Attr, error) {
	var attrs []plan.Attr
	add := func(name string, value []byte, secret bool) {
		digest := h.public(value)
		if secret {
			digest = h.secret("seed", value)
		}
		attrs = append(attrs, plan.Attr{Name: name, Value: digest, Secret: secret})
	}
	set := func(name string, value any, wanted, secret bool) {
		if wanted {
			add(name, canonical(value), secret)
		}
	}
	add(attrSeedNetwork, networkConfig(site, g), false)
	add(attrSeedDisks, canonical(mounts(g.Disks)), false)
	set(attrSeedHost, g.Hostname, g.Hostname != g.Name, false)
	if acts(g.Role) {
		add(attrSeedRole, canonical(enact(g.Role)), isSecret(g.Role))
	}
	set("seed.timezone", g.Timezone, g.Timezone != "", false)
	set("seed.locale", g.Locale, g.Locale != "", false)
	set("seed.packages", g.Packages, len(g.Packages) > 0, false)
	set("seed.remove_packages", g.RemovePackages, len(g.RemovePackages) > 0, false)
	set("seed.apt", g.Apt, g.Apt != config.Apt{}, g.Apt.Mirror.Sensitive || g.Apt.Proxy.Sensitive)
	set("seed.run", g.Run, len(g.Run) > 0, anySensitive(g.Run))
	set("seed.swap", g.Swap, g.Swap > 0, false)
	set("seed.console_login", g.ConsoleLogin, g.ConsoleLogin, false)
	set("seed.cloud_config", g.CloudConfig, len(g.CloudConfig) > 0, g.CloudSensitive)
	for _, u := range g.Users {
		u.Origin = ""
		set("seed.user."+u.Name, u, true, u.HashedPassword != "")
	}
	for _, f := range g.Files {
		f.Origin = ""
		set("seed.file."+f.Path, f, true, f.Sensitive)
	}
	return attrs, nil
}

// mounted is what seed.disks says of a data disk. How the guest is told may change with jeos; this may not.
type mounted struct{ Disk, Mount, FS string }

func mounts(disks []config.Disk) []mounted {
	list := []mounted{}
	for _, d := range mountedDisks(disks) {
		list = append(list, mounted{d.Name, d.Mount, d.FS})
	}
	return list
}

// canonical encodes a value so that equal values, and only those, have equal encodings.
func canonical(v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return encoded
}

func anySensitive(texts []config.Text) bool {
	for _, t := range texts {
		if t.Sensitive {
			return true
		}
	}
	return false
}

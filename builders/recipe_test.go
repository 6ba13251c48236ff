package builders

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/config"
)

// recipeOf returns the digest of the recipe of an image of the site.
func recipeOf(t *testing.T, site *config.Site, name string, h *hasher) string {
	t.Helper()
	i, err := newRecipes(site, h).find(name)
	if err != nil || i.serial == 0 {
		t.Fatalf("image.%s: %+v, %v", name, i, err)
	}
	return i.digest
}

// TestRecipeIsPinned holds the digests of recipes: another one would have every image of every user baked anew.
func TestRecipeIsPinned(t *testing.T) {
	h := newHasher("home")
	got := map[string]string{
		"wifi":         recipeOf(t, bakeSite(), "wifi", h),
		"vpn":          recipeOf(t, bakeSite(), "vpn", h),
		"with secrets": recipeOf(t, secretBakeSite(t), "wifi", h),
	}
	want := map[string]string{
		"wifi":         "bcfe1601f964f795d63a98e1d9291fe725c24411541ae00283555bc884eded2b",
		"vpn":          "309506b6d99c865f85833aacc1c0139f13d036bb9a7b5521e43680dafc8f552b",
		"with secrets": "5627bec38cf4d5f88c92a04baafb8ee9c85322a27459c3a05bccd6a02b2f8a11",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecipe(t *testing.T) {
	cases := map[string]struct {
		change  func(*config.Image)
		another bool
	}{
		"base":             {func(i *config.Image) { i.Bake.Base = "unused" }, true},
		"disk":             {func(i *config.Image) { i.Size++ }, true},
		"package":          {func(i *config.Image) { i.Bake.Packages[0] = "hostapd" }, true},
		"package less":     {func(i *config.Image) { i.Bake.Packages = i.Bake.Packages[1:] }, true},
		"removed package":  {func(i *config.Image) { i.Bake.RemovePackages = nil }, true},
		"mirror":           {func(i *config.Image) { i.Bake.Apt.Mirror.Value += "/" }, true},
		"proxy":            {func(i *config.Image) { i.Bake.Apt.Proxy.Value += "/" }, false},
		"no proxy":         {func(i *config.Image) { i.Bake.Apt.Proxy = config.Text{} }, false},
		"content":          {func(i *config.Image) { i.Bake.Files[0].Content = nil }, true},
		"secret content":   {func(i *config.Image) { i.Bake.Files[1].Content = []byte("other") }, true},
		"mode":             {func(i *config.Image) { i.Bake.Files[0].Mode = 0o600 }, true},
		"owner":            {func(i *config.Image) { i.Bake.Files[0].Owner = "www:www" }, true},
		"path":             {func(i *config.Image) { i.Bake.Files[0].Path += "x" }, true},
		"command":          {func(i *config.Image) { i.Bake.Run[0].Value += "x" }, true},
		"secret command":   {func(i *config.Image) { i.Bake.Run[1].Value += "x" }, true},
		"commands swapped": {func(i *config.Image) { r := i.Bake.Run; r[0], r[1] = r[1], r[0] }, true},
		"kernel":           {func(i *config.Image) { i.Bake.Kernel = "virtual" }, true},

		"order of packages": {func(i *config.Image) { p := i.Bake.Packages; p[0], p[1] = p[1], p[0] }, false},
		"package twice":     {func(i *config.Image) { i.Bake.Packages = append(i.Bake.Packages, "iw") }, false},
		"order of files":    {func(i *config.Image) { f := i.Bake.Files; f[0], f[1] = f[1], f[0] }, false},
		"none for nil":      {func(i *config.Image) { i.Bake.Files = append([]config.File{}, i.Bake.Files...) }, false},
		"name and place":    {func(i *config.Image) { i.Origin, i.Bake.Files[0].Origin = "other", "other" }, false},
		"serial":            {func(i *config.Image) { i.Bake.Serial = 7 }, false},
		"size of the guest": {func(i *config.Image) { i.Bake.CPUs, i.Bake.Memory, i.Bake.Timeout = 8, 8<<30, time.Hour }, false},
		"network":           {func(i *config.Image) { i.Bake.Network = nil; i.Bake.NIC.Network = "out" }, false},
	}
	h := newHasher("home")
	before := recipeOf(t, secretBakeSite(t), "wifi", h)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			site := secretBakeSite(t)
			c.change(siteImage(t, site, "wifi"))
			if got := recipeOf(t, site, "wifi", h); (got != before) != c.another {
				t.Errorf("another recipe: %v, want %v", got != before, c.another)
			}
		})
	}
}

// TestRecipeFollowsBase bakes anew what is baked from an image that is another one now, be it by recipe or by serial.
func TestRecipeFollowsBase(t *testing.T) {
	h := newHasher("home")
	before := recipeOf(t, bakeSite(), "vpn", h)
	for name, change := range map[string]func(*config.Image){
		"recipe": func(i *config.Image) { i.Bake.Packages = nil },
		"serial": func(i *config.Image) { i.Bake.Serial++ },
	} {
		site := bakeSite()
		change(siteImage(t, site, "wifi"))
		if recipeOf(t, site, "vpn", h) == before {
			t.Errorf("another %s of the base gives the same recipe", name)
		}
	}
}

// TestRecipeSecretsAreSalted keeps a secret from being guessed by whoever reads the names of volumes, and compared with
// those of other sites.
func TestRecipeSecretsAreSalted(t *testing.T) {
	site, home, work := secretBakeSite(t), newHasher("home"), newHasher("work")
	r := newRecipe(siteImage(t, site, "wifi"), "sha256:"+testSHA, home)
	if !strings.HasPrefix(r.Files[1].Content, "argon2id:") || !strings.HasPrefix(r.Run[1], "argon2id:") {
		t.Errorf("a secret has a plain hash: %+v", r)
	}
	if len(home.done) != 2 {
		t.Errorf("%d values went through argon2id, want the 2 secrets", len(home.done))
	}
	if recipeOf(t, site, "wifi", work) == recipeOf(t, site, "wifi", home) {
		t.Error("another site has the same digest of the same secrets")
	}
	if site := bakeSite(); recipeOf(t, site, "wifi", work) != recipeOf(t, site, "wifi", home) {
		t.Error("without secrets, another site has another digest")
	}
}

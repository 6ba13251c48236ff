package builders

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"jeos/internal/config"
)

// recipeForm is the form of a recipe. Another one gives every recipe another digest, so that all images are baked anew.
const recipeForm = "jeos recipe 1"

// recipe is all that decides what is in a baked image, but for what the packages are by the time of the bake. How the
// image is made, on which network, through which proxy, with how many CPUs and by which script, is no part of it. The form is canonical: its
// JSON is what the digest is made of, and the names of the fields are in there.
type recipe struct {
	Form           string
	Base           string // as the attribute "image" of a guest has it
	Size           int64  // bytes
	Packages       []string
	RemovePackages []string
	Mirror         string // digest; empty: the image's own
	Files          []recipeFile
	Run            []string // digests, in their order
	Kernel         string
}

// recipeFile is a file that is written into an image.
type recipeFile struct {
	Path    string
	Mode    uint32
	Owner   string
	Content string // digest
}

// newRecipe returns the recipe of a baked image. Packages and files are sorted: their order in the files changes nothing.
func newRecipe(i *config.Image, base string, h *hasher) recipe {
	b := i.Bake
	r := recipe{
		Form: recipeForm, Base: base, Size: i.Size, Kernel: b.Kernel,
		Packages: distinct(b.Packages), RemovePackages: distinct(b.RemovePackages),
		Mirror: h.text(b.Apt.Mirror),
		Files:  []recipeFile{}, Run: []string{},
	}
	for _, f := range b.Files {
		r.Files = append(r.Files, recipeFile{f.Path, f.Mode, f.Owner, h.content(f.Content, f.Sensitive)})
	}
	slices.SortFunc(r.Files, func(a, b recipeFile) int { return cmp.Compare(a.Path, b.Path) })
	for _, line := range b.Run {
		r.Run = append(r.Run, h.content([]byte(line.Value), line.Sensitive))
	}
	return r
}

// digest returns 64 hex digits. Anybody may read them: what is secret went through argon2id before.
func (r recipe) digest() string {
	sum := sha256.Sum256(canonical(r))
	return hex.EncodeToString(sum[:])
}

// distinct returns the strings sorted, each once; never nil.
func distinct(list []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append([]string{}, list...))))
}

// recipes finds the names of a site's images, each of which may be baked from another.
type recipes struct {
	images map[string]*config.Image
	hasher *hasher
	names  map[string]imageName // found so far
	open   []string             // images that are being looked at, each the base of the one before
}

func newRecipes(site *config.Site, h *hasher) *recipes {
	r := &recipes{images: map[string]*config.Image{}, hasher: h, names: map[string]imageName{}}
	for i := range site.Images {
		r.images[site.Images[i].Name] = &site.Images[i]
	}
	return r
}

// volumes returns the names in the pool of all images, by their names in the files.
func (r *recipes) volumes() (map[string]string, error) {
	volumes := make(map[string]string, len(r.images))
	for name := range r.images {
		i, err := r.find(name)
		if err != nil {
			return nil, err
		}
		volumes[name] = i.volume
	}
	return volumes, nil
}

// find returns the name of an image in the pool, taken apart.
func (r *recipes) find(name string) (imageName, error) {
	if found, ok := r.names[name]; ok {
		return found, nil
	}
	i := r.images[name]
	switch {
	case i == nil:
		return imageName{}, fmt.Errorf("there is no image %q", name)
	case slices.Contains(r.open, name):
		return imageName{}, fmt.Errorf("image.%s is baked from itself", name)
	}
	volume := fileVolume(*i)
	if i.Bake != nil {
		r.open = append(r.open, name)
		base, err := r.find(i.Bake.Base)
		r.open = r.open[:len(r.open)-1]
		if err != nil {
			return imageName{}, fmt.Errorf("image.%s: %w", name, err)
		}
		volume = bakedVolume(newRecipe(i, base.attr(), r.hasher).digest(), i.Bake.Serial)
	}
	found, ok := parseImage(volume)
	if !ok {
		return imageName{}, fmt.Errorf("image.%s: no volume can be named %q", name, volume)
	}
	r.names[name] = found
	return found, nil
}

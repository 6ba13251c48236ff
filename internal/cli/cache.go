package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"jeos/internal/config"
	"jeos/internal/images"
)

// cacheDir is where image files and what is known of them are kept between runs; "" when there is no place for it.
func (p *program) cacheDir() string {
	if dir := p.getenv("JEOS_CACHE_DIR"); filepath.IsAbs(dir) {
		return dir
	}
	if dir := p.getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "jeos")
	}
	if home := p.home(); home != "" {
		return filepath.Join(home, ".cache", "jeos")
	}
	return ""
}

func (p *program) imageCache() images.Cache { return images.Cache{Dir: p.cacheDir()} }

// imageClient returns what fetches images into the cache.
func (p *program) imageClient() (*images.Client, error) {
	if p.cacheDir() == "" {
		return nil, failed("No cache", errors.New("there is no place to keep images in: set HOME, or JEOS_CACHE_DIR to a folder of yours"))
	}
	return &images.Client{Cache: p.imageCache(), UserAgent: "jeos/" + currentVersion().Version}, nil
}

// remote is what the lock file says of an image in the terms of whoever fetches it.
func remote(l *config.LockedImage) images.Remote {
	return images.Remote{
		URL: l.URL, SHA256: l.SHA256, FileSize: l.FileSize, Serial: l.Serial, Signer: l.Signer,
		ManifestURL: l.ManifestURL, ManifestSHA256: l.ManifestSHA256,
	}
}

func packageNames(packages []images.Package) []string {
	names := make([]string, len(packages))
	for i, pkg := range packages {
		names[i] = pkg.Name
	}
	return names
}

// chosenNames returns the names that the command line gives, written "noble" or "image.noble"; all of them when it gives
// none. The kind says what is named, for the error.
func chosenNames(kind string, all, args []string) ([]string, error) {
	if len(args) == 0 {
		return all, nil
	}
	var names []string
	for _, arg := range args {
		name := strings.TrimPrefix(arg, "image.")
		if !slices.Contains(all, name) {
			known := "The site has none"
			if len(all) > 0 {
				known = "There are " + strings.Join(all, ", ")
			}
			return nil, failed("No such image", fmt.Errorf("%q is no %s of the site. %s", arg, kind, known))
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/hcl/v2"

	"jeos/builders"
	"jeos/internal/config"
	"jeos/internal/images"
	"jeos/internal/topology"
	"jeos/plan"
	"jeos/templates"
)

const defaultURI = "qemu:///system"

// site is a loaded site with what the command line adds to it.
type site struct {
	*config.Site
	uri   string // of libvirt
	files map[string]*hcl.File
	paths []topology.Path // of confined guests to the outside; nil until prove was called
}

// load reads the site in the folder. Warnings are shown at once; errors are returned.
func (p *program) load(ctx context.Context) (*site, error) {
	loaded, files, diags := p.loadRaw(ctx)
	if diags.HasErrors() {
		return nil, &invalid{files, diags}
	}
	p.diagnose(files, diags)
	for _, n := range loaded.Notices {
		p.log.Info().Str("profile", n.Profile).Int("line", n.Line).Str("directive", n.Directive).Str("reason", n.Reason).
			Msg("left out a directive")
	}
	return &site{Site: loaded, uri: p.uri(loaded), files: files}, nil
}

// loadProven reads the site in the folder and refuses one whose packets have a way around its tunnels.
func (p *program) loadProven(ctx context.Context) (*site, error) {
	s, err := p.load(ctx)
	if err != nil {
		return nil, err
	}
	return s, p.prove(s)
}

func (p *program) loadRaw(ctx context.Context) (*config.Site, map[string]*hcl.File, hcl.Diagnostics) {
	began := time.Now()
	loaded, files, diags := config.Load(p.configOptions(ctx))
	p.log.Debug().Str("folder", p.global.Dir).Dur("took", time.Since(began)).Msg("read the files")
	return loaded, files, diags
}

// configOptions returns all that a site may depend on beside its files.
func (p *program) configOptions(ctx context.Context) config.Options {
	cache := p.imageCache()
	return config.Options{
		Dir:     p.global.Dir,
		Vars:    p.variables(),
		Env:     p.sys.Env,
		Home:    p.home(),
		Version: currentVersion().required(),
		Roles:   templates.Roles,
		Image: func(path string) (config.ImageFile, error) {
			info, err := images.Inspect(ctx, path, p.cacheDir())
			if err != nil {
				return config.ImageFile{}, err
			}
			return config.ImageFile{Format: info.Format, SHA256: info.SHA256, Size: info.Size, FileSize: info.FileSize}, nil
		},
		Cached: cache.Path,
		Holds: func(sha256, manifestSHA256 string) ([]string, bool) {
			packages, ok := cache.Packages(sha256, manifestSHA256)
			return packageNames(packages), ok
		},
		Ended: func(name string) (string, bool) {
			r, known := images.LookupRelease(name)
			return r.EndOfLife.Format(time.DateOnly), known && time.Now().After(r.EndOfLife)
		},
	}
}

// variables returns what --var and --var-file say, with paths as seen from the process.
func (p *program) variables() []config.VarSource {
	out := make([]config.VarSource, len(p.global.Vars))
	for i, v := range p.global.Vars {
		if v.File != "" {
			v.File = p.global.path(v.File)
		}
		out[i] = v
	}
	return out
}

// uri decides which libvirt is meant.
func (p *program) uri(s *config.Site) string {
	return cmp.Or(p.global.Connect, s.URI, p.getenv("LIBVIRT_DEFAULT_URI"), defaultURI)
}

func (p *program) home() string {
	if home := p.getenv("HOME"); filepath.IsAbs(home) {
		return home
	}
	home, _ := os.UserHomeDir() // without one, "~" is an error of whoever writes it
	return home
}

// connect opens a connection to libvirt.
func (p *program) connect(ctx context.Context, uri string, readOnly bool) (plan.Hypervisor, error) {
	began := time.Now()
	hv, err := p.sys.Open(ctx, uri, readOnly)
	if err != nil {
		return nil, failed("Connection failed", err)
	}
	p.log.Info().Str("uri", uri).Bool("read_only", readOnly).Dur("took", time.Since(began)).Msg("connected")
	return hv, nil
}

// inventory reads what the host has.
func (p *program) inventory(ctx context.Context, hv plan.Reader, s *site) (*plan.Inventory, error) {
	began := time.Now()
	inv, err := hv.Inventory(ctx, s.Pool.Name, builders.Wanted(s.Name))
	if err != nil {
		return nil, failed("Reading the host failed", err)
	}
	p.log.Info().Int("domains", len(inv.Domains)).Int("networks", len(inv.Networks)).Int("volumes", len(inv.Volumes)).
		Dur("took", time.Since(began)).Msg("read the host")
	return inv, nil
}

// makePlan compares the site with what the host has now. A refused plan comes with its refusal.
func (p *program) makePlan(ctx context.Context, hv plan.Reader, s *site, opt plan.Options) (*plan.Plan, error) {
	inv, err := p.inventory(ctx, hv, s)
	if err != nil {
		return nil, err
	}
	if builders.NeedsKVM(s.Site, inv, opt) {
		if inv.KVM, err = hv.KVM(ctx); err != nil {
			return nil, failed("Reading the host failed", err)
		}
	}
	if builders.NeedsDevices(s.Site, opt) {
		if inv.Devices, err = hv.Devices(ctx); err != nil {
			return nil, failed("Reading the host failed", err)
		}
	}
	pl, err := builders.Plan(s.Site, inv, opt)
	var refusal *plan.Refusal
	if errors.As(err, &refusal) {
		return pl, p.refused(s, refusal)
	}
	return pl, failed("Planning failed", err)
}

// close ends a connection. That it cannot be ended properly changes nothing.
func (p *program) close(hv plan.Reader) {
	if err := hv.Close(); err != nil {
		p.log.Debug().Err(err).Msg("closing the connection failed")
	}
}

// siteDir returns the folder of the site as an absolute path.
func (p *program) siteDir() string {
	dir, err := filepath.Abs(p.global.Dir)
	if err != nil {
		return p.global.Dir
	}
	return dir
}

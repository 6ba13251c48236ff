package cli

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/spf13/cobra"

	"jeos/internal/config"
	"jeos/internal/images"
)

// LockOptions are the flags of lock.
type LockOptions struct{ Upgrade bool }

func newLockCommand(p *program) *cobra.Command {
	var opt LockOptions
	cmd := &cobra.Command{
		Use:   "lock [IMAGE | HOST]…",
		Short: "find images and the servers of tunnels on the network and pin them",
		Long: `Find the file of every image that the files name by release or URL, check its signature, download it into the cache,
and pin it in the lock file (` + config.LockFile + `) by its hash. Find the addresses of every host that a tunnel of a role
goes to, and pin them, too. What is pinned already stays; --upgrade looks anew. With IMAGE or HOST do this for these only.

plan and apply never look for anything: they use what is pinned, on every machine the same. Put the lock file under version
control.
` + exitStatus,
		Example: "  jeos lock\n  jeos lock --upgrade noble\n  jeos lock --upgrade vpn.example.net",
		RunE:    func(cmd *cobra.Command, args []string) error { return runLock(cmd.Context(), p, opt, args) },
	}
	cmd.Flags().BoolVar(&opt.Upgrade, "upgrade", false, "look again for what is pinned already")
	return cmd
}

func runLock(ctx context.Context, p *program, opt LockOptions, args []string) error {
	requests, lock, files, diags := config.LoadRequests(p.configOptions(ctx))
	if diags.HasErrors() {
		return &invalid{files, diags}
	}
	p.diagnose(files, diags)
	names, err := chosenNames("image with a release or URL, and no host of a tunnel,", requestNames(requests), args)
	if err != nil {
		return err
	}
	l := &locking{requests: map[string]config.ImageRequest{}, locked: map[string]config.LockedImage{}}
	var open []string
	for _, r := range requests.Images {
		l.requests[r.Name] = r
		if slices.Contains(names, r.Name) && (opt.Upgrade || r.Locked == nil) {
			open = append(open, r.Name)
		}
	}
	if len(open) > 0 {
		if l.client, err = p.imageClient(); err != nil {
			return err
		}
	}
	hosts := slices.DeleteFunc(requests.Hosts, func(r config.HostRequest) bool { return !slices.Contains(names, r.Host) })
	found, incomplete := p.locateHosts(ctx, hosts, opt.Upgrade)
	if err := p.fetch(ctx, open, l.lock); err != nil {
		incomplete = err
	}
	_, err = config.UpdateLock(p.global.Dir, func(now *config.Lock) error {
		now.Retain(lock)
		for _, image := range l.locked { // also when another one failed
			now.SetImage(image)
		}
		for _, endpoint := range found {
			now.SetEndpoint(endpoint)
		}
		return nil
	})
	if err != nil {
		return failed("Writing the lock file failed", err)
	}
	for _, r := range requests.Images {
		if text := l.outcome(r.Name); text != "" && slices.Contains(names, r.Name) {
			fmt.Fprintf(p.out, "image.%s: %s\n", r.Name, printable(text))
		}
	}
	for _, r := range hosts {
		if text := hostOutcome(r, found); text != "" {
			fmt.Fprintf(p.out, "endpoint.%s: %s\n", r.Host, text)
		}
	}
	return incomplete
}

// requestNames returns the names of images and hosts, as the command line gives them.
func requestNames(requests *config.Requests) []string {
	var names []string
	for _, r := range requests.Images {
		names = append(names, r.Name)
	}
	for _, r := range requests.Hosts {
		names = append(names, r.Host)
	}
	return names
}

// locking finds and fetches what image blocks ask for, several at once.
type locking struct {
	client   *images.Client
	requests map[string]config.ImageRequest

	mu     sync.Mutex
	locked map[string]config.LockedImage
}

func (l *locking) lock(ctx context.Context, name string, progress func(done, total int64)) error {
	r := l.requests[name]
	found, err := l.client.Resolve(ctx, images.Request{
		URL: r.URL, SHA256: r.SHA256, Release: r.Release, Flavour: r.Flavour, Arch: r.Arch, Mirror: r.Mirror, Keyring: r.Keyring,
	})
	if err != nil {
		return err
	}
	if old := r.Locked; old != nil && found.Serial != "" && images.CompareSerials(found.Serial, old.Serial) < 0 {
		return fmt.Errorf("%s is pinned, and the newest that is offered there is %s: the server or mirror is out of date, or somebody keeps "+
			"newer images from you. Try again later, or another mirror", old.Serial, found.Serial)
	}
	info, err := l.client.Fetch(ctx, found, progress)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locked[name] = config.LockedImage{
		Name: name, Wants: r.Wants(), URL: found.URL, SHA256: found.SHA256, FileSize: info.FileSize, Format: info.Format, Size: info.Size,
		Serial: found.Serial, Signer: found.Signer, ManifestURL: found.ManifestURL, ManifestSHA256: found.ManifestSHA256,
	}
	return nil
}

// outcome says in a line what has become of an image; "" for one that failed.
func (l *locking) outcome(name string) string {
	before := l.requests[name].Locked
	now, ok := l.locked[name]
	switch {
	case !ok && before != nil:
		return "stays at " + lockedVersion(before)
	case !ok:
		return ""
	case before == nil:
		return "locked at " + lockedVersion(&now)
	case before.SHA256 == now.SHA256:
		return "is the newest already, " + lockedVersion(&now)
	}
	return "upgraded from " + lockedVersion(before) + " to " + lockedVersion(&now)
}

// lockedVersion names a locked file: by the publisher's serial, else by its hash.
func lockedVersion(l *config.LockedImage) string {
	text := "sha256:" + l.SHA256[:12]
	if l.Serial != "" {
		text = l.Serial
	}
	if l.Signer != "" {
		text += ", signed by " + l.Signer
	}
	return text
}

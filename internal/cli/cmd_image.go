package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"jeos/internal/config"
	"jeos/internal/images"
)

func newImageCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image COMMAND",
		Short: "list, fetch, check, bake and remove images",
		Long: `What the guests of a site are made from: files on this machine, files from the network that "jeos lock" has pinned, and
images that were baked from others.
` + exitStatus,
		Args: positionalCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImageListCommand(p), newImagePullCommand(p), newImageVerifyCommand(p), newImagePackagesCommand(p),
		newImageBakeCommand(p), newImagePruneCommand(p))
	return cmd
}

// positionalCommand refuses what is no command of a group of commands.
func positionalCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	return nil
}

func newImagePullCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "pull [IMAGE]…",
		Short: "download pinned images into the cache",
		Long: `Download the files that the lock file pins, all of them or those of the named images, as far as the cache does not have
them. After that plan and apply need no network for images. A download that was cut goes on where it was.
` + exitStatus,
		Example: "  jeos image pull\n  jeos image pull noble",
		RunE:    func(cmd *cobra.Command, args []string) error { return runImagePull(cmd.Context(), p, args) },
	}
}

func runImagePull(ctx context.Context, p *program, args []string) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	locked := map[string]*config.LockedImage{}
	var all []string
	for _, i := range s.Images {
		if i.Locked != nil {
			all, locked[i.Name] = append(all, i.Name), i.Locked
		}
	}
	names, err := chosenNames("image that the lock file pins", all, args)
	if err != nil {
		return err
	}
	client, err := p.imageClient()
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range names {
		if !client.Cache.Complete(remote(locked[name])) {
			missing = append(missing, name)
		}
	}
	err = p.fetch(ctx, missing, func(ctx context.Context, name string, progress func(done, total int64)) error {
		_, err := fetchLocked(ctx, client, locked[name], progress)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s downloaded, %d in the cache already.\n", count(len(missing), "image"), len(names)-len(missing))
	return nil
}

// count words a number of things: "1 image", "2 images".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func newImageVerifyCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [IMAGE]…",
		Short: "check the files of images against their hashes",
		Long: `Read the files of the images again, all of them or those of the named images, and compare their hashes with what the
lock file or the files say. What the cache must not hold any more is moved out of the way, and the next apply or pull
downloads it anew.

EXIT STATUS
  0    every file is as it should be
  1    it failed, or a file is missing or is another one
  64   the command line is wrong
  130  interrupted`,
		Example: "  jeos image verify",
		RunE:    func(cmd *cobra.Command, args []string) error { return runImageVerify(cmd.Context(), p, args) },
	}
}

func runImageVerify(ctx context.Context, p *program, args []string) error {
	s, err := p.load(ctx)
	if err != nil {
		return err
	}
	files := map[string]config.Image{}
	var all []string
	for _, i := range s.Images {
		if i.Bake == nil {
			all, files[i.Name] = append(all, i.Name), i
		}
	}
	names, err := chosenNames("image with a file", all, args)
	if err != nil {
		return err
	}
	bad := false
	for _, name := range names {
		text := "ok"
		if err := p.verifyImage(ctx, files[name]); err != nil {
			if ctx.Err() != nil {
				return err
			}
			text, bad = printable(err.Error()), true
		}
		fmt.Fprintf(p.out, "image.%s: %s\n", name, text)
	}
	if bad {
		return errSilent
	}
	return nil
}

func (p *program) verifyImage(ctx context.Context, i config.Image) error {
	if i.Locked == nil { // the hash was compared with the checksum of the files, if they say one, but may be remembered
		info, err := images.Inspect(ctx, i.Path, "")
		if err == nil && info.SHA256 != i.SHA256 {
			err = fmt.Errorf("%s has changed without a trace: its hash is %s and was %s", i.Path, info.SHA256, i.SHA256)
		}
		return err
	}
	err := p.imageCache().Verify(ctx, i.SHA256, func(done, total int64) {})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("not in the cache; \"jeos image pull %s\" downloads it", i.Name)
	}
	return err
}

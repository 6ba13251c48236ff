package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"jeos/builders"
)

func newBuildCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "build DIR",
		Short: "write what apply would hand to libvirt into a folder",
		Long: `Write into DIR what apply would hand to libvirt: the XML of domains, networks and volumes, and the seed of each guest,
both as files and as the ISO image. libvirt is not asked, so the host is taken to be empty.

DIR must be empty or missing. Seeds hold the secrets of the files; only this user can read what is written.
` + exitStatus,
		Example: "  jeos build /tmp/home\n  virt-xml-validate /tmp/home/domain/*.xml",
		Args:    positional(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runBuild(cmd.Context(), p, args[0]) },
	}
}

func runBuild(ctx context.Context, p *program, name string) error {
	s, err := p.loadProven(ctx)
	if err != nil {
		return err
	}
	dir := p.global.path(name)
	if err := emptyFolder(dir); err != nil {
		return failed("Building failed", err)
	}
	if p.sys.Scratch != nil {
		end, err := p.sys.Scratch()
		if err != nil {
			return failed("Making a temporary folder failed", err)
		}
		defer end()
	}
	artifacts, err := builders.Artifacts(s.Site, builders.Offline(s.Site))
	if err != nil {
		return failed("Building failed", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failed("Building failed", err)
	}
	defer root.Close()
	for _, a := range artifacts {
		if err := writeArtifact(root, a); err != nil {
			return failed("Building failed", err)
		}
		fmt.Fprintln(p.out, filepath.Join(name, a.Path))
	}
	return nil
}

// emptyFolder makes a folder, or makes sure that the one that is there holds nothing.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("the folder %q is not empty: empty it, or name another", dir)
	}
	return nil
}

func writeArtifact(root *os.Root, a builders.Artifact) error {
	path := filepath.FromSlash(a.Path)
	if err := root.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(a.Data)
	return errors.Join(err, f.Close())
}

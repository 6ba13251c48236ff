package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"jeos/internal/config"
	"jeos/internal/images"
	"jeos/plan"
)

// download is the verb of the steps that fetch the files of images into the cache. They are done here, by no hypervisor.
const download plan.Verb = "download"

// maxDownloads is how many files come at once.
const maxDownloads = 4

// downloads fetches the image of the name that a step's address has.
type downloads func(ctx context.Context, name string, progress func(done, total int64)) error

// Do implements plan.Doer.
func (f downloads) Do(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	return f(ctx, s.Addr.Name, func(done, total int64) { progress(plan.Progress{Done: done, Total: total}) })
}

// fetch downloads images side by side and shows how far they are. What has arrived stays in the cache, also when the
// rest fails or is interrupted.
func (p *program) fetch(ctx context.Context, names []string, do downloads) error {
	if len(names) == 0 {
		return nil
	}
	var steps []plan.Step
	for _, name := range names {
		steps = append(steps, plan.Step{Verb: download, Addr: plan.Addr{Kind: plan.KindImage, Name: name}, Host: name})
	}
	shown, rec := p.newProgress(), newRecord(p.log)
	err := plan.Execute(ctx, do, steps, plan.ExecuteOptions{
		Parallelism: maxDownloads, Stop: p.interrupt.stop,
		Events: func(e plan.Event) { shown.event(e); rec.event(e) },
	})
	shown.end()
	if err == nil {
		return nil
	}
	if p.interrupt.pending() || errors.Is(context.Cause(ctx), errInterrupted) {
		return errInterrupted
	}
	for _, e := range rec.errs {
		p.report(failed("Download failed", e))
	}
	return errSilent
}

// fetchFor downloads what the steps of a plan upload, as far as the cache does not have it.
func (p *program) fetchFor(ctx context.Context, s *site, pl *plan.Plan) error {
	uploads := uploadedImages(s, pl)
	if len(uploads) == 0 {
		return nil
	}
	client, err := p.imageClient()
	if err != nil {
		return err
	}
	missing := map[string]*config.LockedImage{}
	var names []string
	for _, l := range uploads {
		have, err := client.Cached(ctx, remote(l))
		if err != nil {
			return failed("Looking into the cache failed", err)
		}
		if !have {
			names, missing[l.Name] = append(names, l.Name), l
		}
	}
	return p.fetch(ctx, names, func(ctx context.Context, name string, progress func(done, total int64)) error {
		_, err := fetchLocked(ctx, client, missing[name], progress)
		return err
	})
}

// uploadedImages returns the locked images that the steps of a plan upload.
func uploadedImages(s *site, pl *plan.Plan) []*config.LockedImage {
	var uploads []*config.LockedImage
	for _, i := range s.Images {
		uploads = append(uploads, i.Locked)
	}
	return slices.DeleteFunc(uploads, func(l *config.LockedImage) bool {
		return l == nil || !slices.ContainsFunc(pl.Steps, func(s plan.Step) bool {
			return s.Verb == plan.UploadVolume && s.Addr == plan.Addr{Kind: plan.KindImage, Name: l.Name}
		})
	})
}

// fetchLocked brings the file that the lock file pins into the cache, and checks that it is what the lock file says.
func fetchLocked(ctx context.Context, client *images.Client, l *config.LockedImage, progress func(done, total int64)) (images.Info, error) {
	info, err := client.Fetch(ctx, remote(l), progress)
	if errors.Is(err, images.ErrReplaced) {
		return info, fmt.Errorf("%w. If the publisher has taken the pinned file away, run \"jeos lock --upgrade %s\"", err, l.Name)
	}
	if err == nil && (info.Format != l.Format || info.Size != l.Size || info.FileSize != l.FileSize) {
		err = fmt.Errorf("the lock file says that image.%s is %s of %d bytes for a disk of %d, and it is %s of %d for %d: restore the lock file"+
			" from version control, or run \"jeos lock --upgrade %s\"", l.Name, l.Format, l.FileSize, l.Size, info.Format, info.FileSize, info.Size, l.Name)
	}
	return info, err
}

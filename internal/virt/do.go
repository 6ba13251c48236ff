package virt

import (
	"context"
	"fmt"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// Do implements plan.Hypervisor.
func (h *Hypervisor) Do(ctx context.Context, s plan.Step, progress func(plan.Progress)) error {
	if progress == nil {
		progress = func(plan.Progress) {}
	}
	c, err := h.writable(ctx)
	if err != nil {
		return err
	}
	switch s.Verb {
	case plan.DefinePool:
		return definePool(ctx, c, s)
	case plan.StartPool:
		return startPool(ctx, c, s)
	case plan.RefreshPool:
		return h.inPool(ctx, s.Host, func() error { return refreshPool(ctx, c, s.Host) })
	case plan.CreateVolume:
		return h.inPool(ctx, s.Pool, func() error { return createVolume(ctx, c, s) })
	case plan.UploadVolume:
		return h.inPool(ctx, s.Pool, func() error { return h.uploadVolume(ctx, c, s, progress) })
	case plan.GrowVolume:
		return h.inPool(ctx, s.Pool, func() error { return growVolume(ctx, c, s) })
	case plan.CloneVolume:
		return h.inPool(ctx, s.Pool, func() error { return h.cloneVolume(ctx, c, s, progress) })
	case plan.DeleteVolume:
		return h.inPool(ctx, s.Pool, func() error { return deleteVolume(ctx, c, s.Pool, s.Host) })
	case plan.DefineNetwork:
		return c.do(ctx, quick, "virNetworkDefineXML", func(lv *libvirt.Libvirt) error {
			_, err := lv.NetworkDefineXML(s.XML)
			return err
		})
	case plan.StartNetwork:
		return startNetwork(ctx, c, s)
	case plan.StopNetwork:
		return stopNetwork(ctx, c, s)
	case plan.UndefineNetwork:
		return undefineNetwork(ctx, c, s)
	case plan.AutostartNetwork:
		return autostartNetwork(ctx, c, s)
	case plan.DefineFilter:
		return c.do(ctx, slow, "virNWFilterDefineXML", func(lv *libvirt.Libvirt) error {
			_, err := lv.NwfilterDefineXML(s.XML)
			return err
		})
	case plan.UndefineFilter:
		return undefineFilter(ctx, c, s)
	case plan.RenameGuest:
		return renameGuest(ctx, c, s)
	case plan.ForgetGuest:
		return forgetMemory(ctx, c, s)
	case plan.DefineGuest:
		return c.do(ctx, slow, "virDomainDefineXMLFlags", func(lv *libvirt.Libvirt) error {
			_, err := lv.DomainDefineXMLFlags(s.XML, libvirt.DomainDefineValidate)
			return err
		})
	case plan.AutostartGuest:
		return autostartGuest(ctx, c, s)
	case plan.StartGuest:
		return h.startGuest(ctx, c, s)
	case plan.AwaitGuest:
		return h.awaitGuest(ctx, s, progress)
	case plan.StopGuest:
		return stopGuest(ctx, c, s, progress)
	case plan.DetachDevice:
		return detachDevice(ctx, c, s)
	case plan.UpdateDevice:
		return updateDevice(ctx, c, s)
	case plan.UndefineGuest:
		return undefineGuest(ctx, c, s)
	}
	return fmt.Errorf("unknown step %q", s.Verb)
}

// toggle is the common shape of the verbs that switch something on or off: the switch may fail because somebody else
// was quicker, so after an error the state decides.
func toggle(is func() (bool, error), want bool, set func() error) error {
	now, err := is()
	if err != nil || now == want {
		return err
	}
	if err := set(); err != nil {
		if now, again := is(); again == nil && now == want {
			return nil
		}
		return err
	}
	return nil
}

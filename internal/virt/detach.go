package virt

import (
	"context"
	"encoding/xml"
	"fmt"
	"time"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// detachPatience is how long a guest may take to let go of a device.
const detachPatience = 30 * time.Second

// device is what tells the devices of a domain apart, by https://libvirt.org/formatdomain.html#devices.
type device struct {
	XMLName xml.Name
	Alias   struct {
		Name string `xml:"name,attr"`
	} `xml:"alias"`
	MAC struct {
		Address string `xml:"address,attr"`
	} `xml:"mac"`
	Target struct {
		Dev string `xml:"dev,attr"`
		Dir string `xml:"dir,attr"`
	} `xml:"target"`
	Source struct {
		Inner string `xml:",innerxml"`
	} `xml:"source"`
}

// same reports whether a, which may lack an alias, is the device b.
func (a device) same(b device) bool {
	switch {
	case a.XMLName.Local != b.XMLName.Local:
		return false
	case a.Alias.Name != "" && b.Alias.Name != "":
		return a.Alias == b.Alias
	case a.MAC.Address != "":
		return a.MAC == b.MAC
	case a.XMLName.Local == "disk":
		return a.Target.Dev == b.Target.Dev
	case a.Target.Dir != "":
		return a.Target.Dir == b.Target.Dir
	}
	return a.Source == b.Source
}

// detachDevice asks the guest to let go of the device, again and again, and waits until libvirt's live definition has
// it no more: a guest that is booting, or has no driver, does not hear the request, and libvirt does not say so.
func detachDevice(ctx context.Context, c *conn, s plan.Step) error {
	var wanted device
	if err := xml.Unmarshal([]byte(s.XML), &wanted); err != nil {
		return fmt.Errorf("device to detach: %w", err)
	}
	d, err := lookupDomain(ctx, c, s)
	if err != nil {
		return gone(err)
	}
	begin := time.Now()
	var (
		asked   time.Time
		refused error
	)
	for {
		there, err := hasDevice(ctx, c, d, wanted)
		if err != nil || !there {
			return err
		}
		if time.Since(begin) >= detachPatience {
			err := fmt.Errorf("the guest does not let go of the %s; it hears the request only when it has booted and has a driver for hot-unplug: restart it, or run the same command again later", wanted.XMLName.Local)
			if refused != nil {
				err = fmt.Errorf("%w (%w)", err, refused)
			}
			return err
		}
		if time.Since(asked) >= askAgain {
			asked = time.Now()
			refused = c.do(ctx, slow, "virDomainDetachDeviceFlags", func(lv *libvirt.Libvirt) error {
				return lv.DomainDetachDeviceFlags(d, s.XML, uint32(libvirt.DomainDeviceModifyLive))
			})
			if refused != nil && answer(refused) == nil {
				return refused
			}
		}
		if err := sleep(ctx, lookInto); err != nil {
			return fmt.Errorf("stopped waiting for the guest to let go of the %s, which it may still do: %w", wanted.XMLName.Local, err)
		}
	}
}

// hasDevice reports whether the running domain has the device; one that does not run has none.
func hasDevice(ctx context.Context, c *conn, d libvirt.Domain, wanted device) (bool, error) {
	state, err := domainState(ctx, c, d)
	if err != nil || powerState(state) == plan.Off {
		return false, gone(err)
	}
	text, err := domainXML(ctx, c, d, 0)
	if err != nil {
		return false, gone(err)
	}
	var live struct {
		Devices struct {
			All []device `xml:",any"`
		} `xml:"devices"`
	}
	if err := xml.Unmarshal([]byte(text), &live); err != nil {
		return false, fmt.Errorf("virDomainGetXMLDesc: %w", err)
	}
	for _, dev := range live.Devices.All {
		if wanted.same(dev) {
			return true, nil
		}
	}
	return false, nil
}

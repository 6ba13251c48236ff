package virt

import (
	"context"
	"slices"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// Devices implements plan.Reader.
func (h *Hypervisor) Devices(ctx context.Context) ([]plan.HostDevice, error) {
	c, err := h.connection(ctx)
	if err != nil {
		return nil, err
	}
	const kinds = libvirt.ConnectListNodeDevicesCapPciDev | libvirt.ConnectListNodeDevicesCapNet
	list, err := call(ctx, c, quick, "virConnectListAllNodeDevices", func(lv *libvirt.Libvirt) ([]libvirt.NodeDevice, error) {
		list, _, err := lv.ConnectListAllNodeDevices(1, uint32(kinds))
		return list, err
	})
	if err != nil {
		return nil, err
	}
	devices := make([]plan.HostDevice, len(list))
	err = parallel(len(list), func(i int) error {
		text, err := call(ctx, c, quick, "virNodeDeviceGetXMLDesc", func(lv *libvirt.Libvirt) (string, error) {
			return lv.NodeDeviceGetXMLDesc(list[i].Name, 0)
		})
		devices[i] = plan.HostDevice{Name: list[i].Name, XML: text}
		return gone(err)
	})
	devices = slices.DeleteFunc(devices, func(d plan.HostDevice) bool { return d.XML == "" })
	slices.SortFunc(devices, func(a, b plan.HostDevice) int { return strings.Compare(a.Name, b.Name) })
	return devices, err
}

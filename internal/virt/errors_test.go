package virt

import (
	"strings"
	"testing"

	"github.com/digitalocean/go-libvirt"
)

// TestDiagnosis gives libvirt's own words about guests that do not start for their devices and filters.
func TestDiagnosis(t *testing.T) {
	tests := []struct {
		name    string
		code    libvirt.ErrorNumber
		message string
		want    string
	}{
		{"no IOMMU", libvirt.ErrConfigUnsupported, "unsupported configuration: host doesn't support passthrough of host PCI devices", "intel_iommu=on"},
		{"group in use", libvirt.ErrInternalError, "internal error: qemu unexpectedly closed the monitor: vfio 0000:01:00.0: group 5 is not viable\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.", "the same IOMMU group"},
		{"not bound", libvirt.ErrInternalError, "internal error: process exited while connecting to monitor: vfio 0000:01:00.0: failed to open /dev/vfio/5: No such file or directory", "vfio_iommu_type1"},
		{"in use", libvirt.ErrOperationInvalid, "Requested operation is not valid: PCI device 0000:01:00.0 is in use by driver QEMU, domain other", "stop that domain"},
		{"bridge", libvirt.ErrConfigUnsupported, "unsupported configuration: Non-endpoint PCI devices cannot be assigned to guests", "name the device behind it"},
		{"gone", libvirt.ErrInternalError, "internal error: Device 0000:09:00.0 not found: could not access /sys/bus/pci/devices/0000:09:00.0/config: No such file or directory", "run jeos plan"},
		{"unmanaged", libvirt.ErrOperationInvalid, "Requested operation is not valid: Unmanaged PCI device 0000:01:00.0 must be manually detached from the host", "managed = true"},
		{"switch", libvirt.ErrOperationInvalid, "Requested operation is not valid: Device 0000:01:00.0 is behind a switch lacking ACS and cannot be assigned", "another slot"},
		{"no file of the group", libvirt.ErrSystemError, "unable to stat: /dev/vfio/8: No such file or directory", "bind the device"},
		{"no interrupt remapping", libvirt.ErrInternalError, "internal error: process exited while connecting to monitor: vfio 0000:01:00.0: failed to setup container for group 5: Failed to set iommu for container: Operation not permitted", "interrupt remapping"},
		{"asleep", libvirt.ErrInternalError, "internal error: vfio: can't change power state from D3cold to D0 (config space inaccessible)", "d3cold_allowed"},
		{"filter is missing", libvirt.ErrInternalError, "internal error: referenced filter 'home-web.lan' is missing", "which makes it"},
		{"filter cannot be put to work", libvirt.ErrOperationFailed, "operation failed: failed to add new filter rules to 'vnet3' - attempting to restore old rules", "which makes it"},
		{"filter is in use", libvirt.ErrOperationInvalid, "Requested operation is not valid: nwfilter is in use", "a running domain"},
		{"no filters", libvirt.ErrNoSupport, "this function is not supported by the connection driver: virNWFilterDefineXML", "libvirt-daemon-driver-nwfilter"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &Error{Call: "virDomainCreateWithFlags", Code: tt.code, Message: tt.message}
			if !strings.Contains(e.remedy(), tt.want) {
				t.Errorf("%v\nwant a remedy with %q", e, tt.want)
			}
		})
	}
}

package virt

import (
	"errors"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"jeos/plan"
)

// Error is an error that libvirt answered with. It is plan.ErrNotFound when the object was not there.
type Error struct {
	Call    string              // libvirt's name of the function
	Code    libvirt.ErrorNumber // https://libvirt.org/html/libvirt-virterror.html
	Message string              // libvirt's own words
}

// Error returns libvirt's words and, where one is known, what to do.
func (e *Error) Error() string {
	text := e.Call + ": " + oneLine(e.Message)
	if r := e.remedy(); r != "" {
		text += "; " + r
	}
	return text
}

// Is reports whether target is plan.ErrNotFound and the error says that an object is not there.
func (e *Error) Is(target error) bool { return target == plan.ErrNotFound && notFound(e.Code) }

func notFound(code libvirt.ErrorNumber) bool {
	switch code {
	case libvirt.ErrNoDomain, libvirt.ErrNoNetwork, libvirt.ErrNoStoragePool, libvirt.ErrNoStorageVol,
		libvirt.ErrNoNodeDevice, libvirt.ErrNoNwfilter, libvirt.ErrNoNwfilterBinding, libvirt.ErrNoSecret, libvirt.ErrNoDomainMetadata:
		return true
	}
	return false
}

// answer returns the answer of libvirt that err wraps, nil if there is none.
func answer(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}

// mentions reports whether err is an answer of libvirt with one of the texts. It is for answers that have no code of
// their own; libvirt's daemons are not translated unless somebody gives them a locale.
func mentions(err error, texts ...string) bool {
	e := answer(err)
	return e != nil && containsAny(e.Message, texts...)
}

func containsAny(s string, texts ...string) bool {
	for _, text := range texts {
		if strings.Contains(strings.ToLower(s), strings.ToLower(text)) {
			return true
		}
	}
	return false
}

// busyTexts are what a pool says while another client's job runs in it, and a volume while it is copied.
var busyTexts = []string{"asynchronous jobs running", "is still being allocated", "is still in use"}

// busy reports whether libvirt refused because another client's job is under way, which will end.
func busy(err error) bool { return mentions(err, busyTexts...) }

// full reports whether the host's disk is full.
func full(err error) bool { return mentions(err, "no space left on device", "disk quota exceeded") }

const remedyReadOnly = "use a connection that may write: join the group libvirt, or run as root"

// remedies are looked through in order; the first that fits is shown. A row without texts fits every message with its
// code, one without a code every message with one of its texts.
var remedies = []struct {
	code   libvirt.ErrorNumber
	texts  []string
	remedy string
}{
	{code: libvirt.ErrOperationDenied, texts: []string{"read only", "secure flag"}, remedy: remedyReadOnly},
	{code: libvirt.ErrAuthUnavailable, remedy: "polkit finds nobody to ask: join the group libvirt, or run as root"},
	{code: libvirt.ErrAuthFailed, remedy: "libvirt does not let this user in: join the group libvirt, run as root, or set auth_unix_rw (SASL is not supported)"},
	{code: libvirt.ErrAuthCancelled, remedy: "libvirt does not let this user in: join the group libvirt, or run as root"},
	{code: libvirt.ErrAccessDenied, remedy: "a polkit rule of the host denies it: allow it for this user"},
	{code: libvirt.ErrNoConnect, remedy: "the daemon lacks the driver: install its QEMU driver (libvirt-daemon-driver-qemu), or correct the URI"},
	{texts: []string{"no space left on device", "disk quota exceeded"}, remedy: "free space on the host, or use a pool on a larger disk"},
	{texts: []string{"cannot allocate memory", "cannot set up guest memory"}, remedy: "the host has too little free memory: lower the guest's memory, or stop other guests"},
	{code: libvirt.ErrNoMemory, remedy: "the host has too little free memory: stop other guests"},
	{texts: []string{"kvm is not available", "/dev/kvm", "kvm kernel module", "failed to initialize kvm", "does not support virt type 'kvm'", "domain type 'kvm'", "invalid accelerator kvm"},
		remedy: `enable virtualisation in the host's firmware and load kvm_intel or kvm_amd, or set accel = "tcg" for the guest`},
	{code: libvirt.ErrCPUIncompatible, remedy: `the host's CPU cannot do what the guest asks for: set accel = "tcg" for the guest, or remove the guest and make it anew here`},
	{texts: []string{"unable to find any emulator", "cannot find suitable emulator", "no emulator found"}, remedy: "install QEMU for the guest's architecture (qemu-system-x86)"},
	{texts: []string{"unable to find any firmware", "unable to find 'efi' firmware", "failed to open file '/usr/share/ovmf"}, remedy: `install the UEFI firmware (ovmf) on the host, or set firmware = "bios"`},
	{texts: []string{"network is already in use", "address already in use"}, remedy: "the host uses these addresses already: choose other cidrs for the network"},
	{texts: []string{"bridge name '", "already exists"}, remedy: "another object of the host has this name: rename or remove one of them (virsh list --all, virsh net-list --all, ip link)"},
	{texts: []string{"doesn't support passthrough of host pci devices"},
		remedy: "switch VT-d or AMD-Vi on in the firmware, add intel_iommu=on to the kernel's command line with an Intel processor, load vfio-pci, and restart the host"},
	{texts: []string{"is not viable"},
		remedy: "the host uses another device of the same IOMMU group: jeos plan names it; unbind it from its driver, give it to this guest too, or put the card into another slot"},
	{texts: []string{"/dev/vfio/"},
		remedy: "the device is not bound to vfio-pci, or the module vfio_iommu_type1 is missing: load vfio-pci and bind the device"},
	{texts: []string{"must be manually detached"},
		remedy: `the host's driver has the device: have vfio-pci take it at boot (jeos plan says how), run "virsh nodedev-detach" now, or set managed = true`},
	{texts: []string{"is in use by driver"}, remedy: "another domain has this device, or one of its IOMMU group: stop that domain"},
	{texts: []string{"non-endpoint pci devices cannot be assigned"}, remedy: "this is a bridge: name the device behind it"},
	{texts: []string{"lacking acs"}, remedy: "the switch above the device does not keep it apart from its neighbours: put the card into another slot"},
	{texts: []string{"failed to set iommu for container", "failed to setup container"},
		remedy: "the host lacks interrupt remapping, or its firmware reserves memory for the device: switch interrupt remapping (x2APIC) on in the firmware, or use another card"},
	{texts: []string{"could not access /sys/bus/pci/devices"}, remedy: "the host has no device at this address any more: run jeos plan, which looks for it"},
	{texts: []string{"can't change power state from d3cold"}, remedy: "the device does not wake up: restart the host, and keep it from sleeping (d3cold_allowed = 0)"},
	{texts: []string{"referenced filter '", "failed to add new filter rules"}, remedy: "a filter is missing or cannot be put to work on the host: run the same command again, which makes it, and see libvirt's log"},
	{texts: []string{"nwfilter is in use"}, remedy: "a running domain of another guest uses it: stop that domain, or take the filter off its network card"},
	{code: libvirt.ErrNoSupport, texts: []string{"virnwfilter"}, remedy: "the daemon lacks the driver for network filters: install libvirt-daemon-driver-nwfilter, or use qemu:///system"},
	{texts: []string{"ebtables", "ip6tables", "iptables"}, remedy: "install ebtables and iptables on the host, and see libvirt's log"},
	{texts: []string{"is not active"}, remedy: "something that this needs is not running: run the same command again, which starts it"},
	{texts: []string{"cannot get interface mtu", "no such device"}, remedy: "the host lacks this interface or device: make it, or correct its name in the files"},
	{texts: []string{"cannot access storage file", "no such file or directory", "cannot access backing file"}, remedy: "a file that this needs is missing on the host: run the same command again, which makes what is missing"},
	{texts: []string{"permission denied"}, remedy: "libvirt may not use a file: check the rights of the pool's folder for the user that QEMU runs as, and AppArmor or SELinux"},
	{texts: []string{"dnsmasq"}, remedy: "install dnsmasq-base on the host and see libvirt's log"},
	{texts: []string{"failed to get \"write\" lock", "failed to get shared \"write\" lock"}, remedy: "another program uses this disk: end it"},
	{texts: []string{"unable to decode message payload", "too large"}, remedy: "the definition is larger than the 4 MiB that libvirt takes"},
	{code: libvirt.ErrNoSupport, remedy: "this libvirt is too old or lacks the driver: needs libvirt >= 5.6"},
	{code: libvirt.ErrOperationUnsupported, remedy: "this libvirt or QEMU cannot do it: needs libvirt >= 5.6"},
	{texts: busyTexts, remedy: "another program works in the pool: run the same command again later"},
	{code: libvirt.ErrOperationTimeout, remedy: "another program works on the same object: run the same command again later"},
}

func (e *Error) remedy() string {
	for _, r := range remedies {
		if (r.code == 0 || r.code == e.Code) && (r.texts == nil || containsAny(e.Message, r.texts...)) {
			return r.remedy
		}
	}
	return ""
}

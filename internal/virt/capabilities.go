package virt

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"

	"github.com/digitalocean/go-libvirt"
)

// KVM implements plan.Reader, by https://libvirt.org/formatcaps.html. The daemon may have to try out every QEMU that is
// installed, which is slow; the answer is kept.
func (h *Hypervisor) KVM(ctx context.Context) (map[string]bool, error) {
	c, err := h.connection(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	known := h.kvm
	h.mu.Unlock()
	if known != nil {
		return maps.Clone(known), nil
	}
	text, err := call(ctx, c, slow, "virConnectGetCapabilities", (*libvirt.Libvirt).ConnectGetCapabilities)
	if err != nil {
		return nil, err
	}
	var caps struct {
		Guests []struct {
			Arch struct {
				Name    string `xml:"name,attr"`
				Domains []struct {
					Type string `xml:"type,attr"`
				} `xml:"domain"`
			} `xml:"arch"`
		} `xml:"guest"`
	}
	if err := xml.Unmarshal([]byte(text), &caps); err != nil {
		return nil, fmt.Errorf("virConnectGetCapabilities: %w", err)
	}
	known = map[string]bool{}
	for _, g := range caps.Guests {
		for _, d := range g.Arch.Domains {
			known[g.Arch.Name] = known[g.Arch.Name] || d.Type == "kvm"
		}
	}
	h.mu.Lock()
	h.kvm = known
	h.mu.Unlock()
	return maps.Clone(known), nil
}

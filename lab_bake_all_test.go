//go:build lab && all

package main_test

import (
	"strings"
	"testing"
)

const kernelFiles = `
jeos {
  site = "SITE"
  pool = "SITE"
}

image "base" {
  source = "IMAGE"
}

network "wan" {
  mode  = "nat"
  cidrs = ["100.64.10.0/28"]
}

image "small" {
  base   = image.base
  kernel = "virtual"
  apt {
    proxy = "http://100.64.10.1:PORT"
  }
` + frozenArchive + `  bake {
    network = network.wan
    timeout = "25m"
  }
}

guest "g" {
  image = image.small
}
`

// TestLabBakeKernel bakes an image with another kernel, by way of a network of the site. It is the only kernel of its guest.
func TestLabBakeKernel(t *testing.T) {
	s := newLabSite(t, "kernel", map[string]string{"site.jeos.hcl": strings.ReplaceAll(kernelFiles, "PORT", packageServer(t))})
	s.run(0, "apply", "--auto-approve")
	s.mustBeEmpty()
	s.awaitReady()
	mustHold(t, agent(t, "kernel-g", "uname -r"), "-cloud-")
	equal(t, "kernels", agent(t, "kernel-g", "ls /boot/vmlinuz-* /lib/modules | grep -c -v -e cloud -e modules: -e ^$"), "0")
	equal(t, "state", agent(t, "kernel-g", "systemctl is-system-running --wait; systemctl --failed --no-legend --plain"), "running")
}

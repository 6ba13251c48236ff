# Packages go into the images, since no guest here has a way to the outside during its first boot: the guest "wifi" is the
# way out, and the others wait for it. Images are baked while the host is still online by other means.

image "base" {
  source = var.image
}

image "wifi" {
  base     = image.base
  kernel   = "generic"
  packages = ["nftables", "iproute2", "netplan.io", "wpasupplicant", "iw", "wireless-regdb", "linux-firmware"]
}

image "vpn" {
  base     = image.base
  packages = ["nftables", "iproute2", "openvpn", "dnsmasq-base"]
}

image "workload" {
  base     = image.base
  packages = ["iproute2", "nginx"]
}

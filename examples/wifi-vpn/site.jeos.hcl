# The host has no way to the outside that a guest could use: its wifi card belongs to the guest "wifi". The guest "vpn"
# reaches an OpenVPN server through it, and every other guest reaches the outside through that tunnel alone. Without the
# tunnel nothing of theirs gets out.
#
#  outside ~~ [wifi] ──uplink── [vpn] ──inside── [web] [mail]

jeos {
  site = "wifi-vpn"
}

network "uplink" {
  cidrs = ["10.64.0.0/24", "fd64:6a65:6f73:1::/64"]
}

network "inside" {
  cidrs = ["10.66.0.0/24", "fd64:6a65:6f73:2::/64"]
}

guest "wifi" {
  image  = image.wifi
  memory = var.memory

  role "wifi_router" {
    lan     = network.uplink
    card    = var.card == "" ? null : pci(var.card)
    mac     = var.radio_mac == "" ? null : var.radio_mac
    country = var.country
    manager = "netplan"

    wifi "Home network" {
      psk = var.wifi_psk
    }
  }
}

guest "vpn" {
  image  = image.vpn
  memory = var.memory

  role "openvpn_client" {
    uplink = network.uplink
    via    = guest.wifi
    lan    = network.inside
    config = var.vpn_config
    dns    = ["10.8.0.1"]
    ipv6   = true
  }
}

guest "web" {
  image  = image.workload
  memory = var.memory

  role "workload" {
    lan = network.inside
    via = guest.vpn
  }

  file "/etc/motd" {
    content = "web, behind ${guest.vpn.name}\n"
  }
}

guest "mail" {
  image  = image.workload
  memory = var.memory

  role "workload" {
    lan = network.inside
    via = guest.vpn
  }

  disk "data" {
    size  = "1GiB"
    mount = "/srv"
    keep  = true
  }
}

output "addresses" {
  value = { for name, g in guest : name => g.addresses }
}

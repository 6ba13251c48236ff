role {
  summary = "passes tunnels on to a radio or a wire"

  argument "lan" {
    type        = network
    description = "where the guests with tunnels are"
  }
  argument "card" {
    type    = pci
    default = null
  }
  argument "managed" {
    type    = bool
    default = false
  }
  argument "wan" {
    type    = network
    default = null
  }
  argument "manager" {
    type    = string
    default = "netplan"
    validation {
      condition     = contains(["netplan", "wicd"], arg.manager)
      error_message = "There is no manager ${arg.manager}."
    }
  }
  block "wifi" {
    label       = "ssid"
    description = "a network to join"
    argument "psk" {
      type   = text
      secret = true
    }
  }

  packages = arg.wan == null ? ["wpasupplicant", "nftables"] : ["nftables"]
  enable   = ["router.service"]
  disable  = ["systemd-resolved.service"]
  apply    = ["netplan generate"]

  nic "lan" {
    network = arg.lan
    gateway = true
  }
  nic "wan" {
    when    = arg.wan != null
    network = arg.wan
  }
  device "card" {
    when    = arg.card != null
    pci     = arg.card
    managed = arg.managed
  }
  outside "wlan0" {
    when = arg.wan == null
  }
  forward {
    from = "lan"
    to   = arg.wan == null ? "wlan0" : "wan"
    only = "endpoints"
  }
  file "/etc/router.conf" {
    content = join("", concat(
      ["release=${coalesce(system.release, "unknown")} lan=${coalesce(nic.lan.ipv4, "none")}\n"],
      [for c in clients : "pass ${c.guest} ${c.ipv4} to ${jsonencode(c.export)}\n"],
    ))
  }
  file "/etc/wifi.conf" {
    when    = length(arg.wifi) > 0
    content = join("", [for w in arg.wifi : "${w.ssid}=${w.psk}\n"])
    mode    = "0600"
  }
  probe "associated" {
    command = "true"
  }
}

# The guest that holds the way to the outside. It passes on the packets of its clients' tunnels, and nothing else.
role {
  summary = "a router with the host's wifi card, or a wired way out, that passes on nothing but its clients' tunnels"

  argument "lan" {
    type        = network
    description = "the network of the guests with the tunnels"
  }

  argument "wan" {
    type        = network
    description = "a wired way to the outside, for hosts without wifi; instead of wifi blocks"
    default     = null
    validation {
      condition     = (arg.wan == null) != (length(arg.wifi) == 0)
      error_message = "The way to the outside is either wifi, with blocks wifi that name networks, or a network as wan. Give one of them."
    }
    validation {
      condition     = arg.wan == null || try(arg.wan.mode, "") != "isolated"
      error_message = "The network of wan is isolated, so that it leads nowhere. Give one of mode nat or bridge."
    }
  }

  argument "card" {
    type        = pci
    description = "the host's wifi card, which the guest gets for itself; without it the guest has a radio already"
    default     = null
    validation {
      condition     = arg.card == null || arg.wan == null
      error_message = "A router with a wired way out takes no wifi card. Remove card or wan."
    }
  }

  argument "managed" {
    type        = bool
    description = "libvirt takes the card from its driver on the host and gives it back. Then the host may use it while this guest is down"
    default     = false
  }

  argument "mac" {
    type        = string
    description = "the radio's address, where the guest has several radios"
    default     = null
    validation {
      condition     = arg.mac == null || can(regex("^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", arg.mac))
      error_message = "A MAC address looks like 00:11:22:aa:bb:cc."
    }
  }

  argument "manager" {
    type        = string
    description = "what holds the connection: netplan (with wpa_supplicant) or wicd"
    default     = "netplan"
    validation {
      condition     = contains(["netplan", "wicd"], arg.manager)
      error_message = "The managers are netplan and wicd."
    }
    validation {
      condition     = arg.manager != "wicd" || system.release == null || contains(["precise", "trusty", "xenial", "bionic", "stretch", "buster"], system.release)
      error_message = "The release %{if system.release != null}${system.release} %{endif}has no wicd. Ubuntu precise to bionic and Debian stretch and buster have it; later ones have netplan."
    }
    validation {
      condition     = arg.manager != "netplan" || system.release == null || !contains(["precise", "trusty", "xenial", "stretch"], system.release)
      error_message = "The release %{if system.release != null}${system.release} %{endif}has no netplan for wifi. It has wicd; Ubuntu bionic, Debian buster and what came later have netplan."
    }
    validation {
      condition     = arg.manager != "wicd" || alltrue([for w in arg.wifi : length(w.bssid) > 0])
      error_message = "wicd connects by itself to radios that it knows by their address. Give every wifi block its bssid, a list of all of them."
    }
    validation {
      condition = (
        arg.manager != "wicd" ||
        length(distinct(flatten([for w in arg.wifi : [for b in w.bssid : upper(b)]]))) == length(flatten([for w in arg.wifi : w.bssid]))
      )
      error_message = "wicd knows each radio once, by its address, and a bssid stands here twice. Name it in one wifi block, once."
    }
    validation {
      condition     = arg.manager != "wicd" || alltrue([for w in arg.wifi : w.security == "wpa2"])
      error_message = "wicd knows no WPA3. Use security = \"wpa2\", or the manager netplan on a release that has WPA3."
    }
    validation {
      condition     = arg.manager != "netplan" || alltrue([for w in arg.wifi : length(w.bssid) <= 1])
      error_message = "netplan holds a network to one radio or to none. Give one bssid, or leave it out for any radio of that name."
    }
    validation {
      condition     = arg.manager != "netplan" || length(distinct([for w in arg.wifi : w.ssid])) == length(arg.wifi)
      error_message = "Two wifi blocks name the same network. Make one of them."
    }
    validation {
      condition = (
        arg.manager != "netplan" || system.release == null || alltrue([for w in arg.wifi : w.security == "wpa2"]) ||
        !contains(["bionic", "focal", "jammy", "buster", "bullseye", "bookworm"], system.release)
      )
      error_message = "The netplan of %{if system.release != null}${system.release}%{else}this release%{endif} knows no WPA3. Ubuntu noble, Debian trixie and what came later know it; wpa2 works on all."
    }
    validation {
      condition     = arg.manager != "netplan" || system.release == null || !contains(["bionic", "buster"], system.release) || alltrue([for w in arg.wifi : !w.hidden])
      error_message = "The netplan of %{if system.release != null}${system.release}%{else}this release%{endif} knows no hidden networks. The manager wicd does, and so does netplan from focal and bullseye on."
    }
  }

  argument "country" {
    type        = string
    description = "where the radio sends, as two capital letters: its law decides on channels and power"
    default     = null
    validation {
      condition     = arg.country == null || can(regex("^[A-Z]{2}$", arg.country))
      error_message = "A country is two capital letters of ISO 3166, such as DE."
    }
    validation {
      condition     = (arg.country == null) == (arg.wan != null)
      error_message = "A radio needs its country, as two capital letters such as DE; a wired way out has none."
    }
  }

  argument "firmware" {
    type        = list(string)
    description = "packages with the card's firmware and drivers. Without it linux-firmware, when there is a card"
    default     = null
  }

  block "wifi" {
    label       = "ssid"
    description = "a network that the radio may join, by its name"

    argument "psk" {
      type        = string
      description = "the passphrase, or the key of 64 hexadecimal digits"
      secret      = true
      validation {
        condition     = can(wpa_psk(arg.psk))
        error_message = "A passphrase has 8 to 63 printable characters of ASCII; a key has 64 hexadecimal digits."
      }
      validation {
        condition     = arg.security != "wpa3" || !can(regex("^[0-9A-Fa-f]{64}$", arg.psk))
        error_message = "A key of 64 hexadecimal digits is WPA2's alone. Give WPA3 the passphrase."
      }
      validation {
        condition     = can(wpa_ssid(arg.ssid))
        error_message = "The name of a wifi network has 1 to 32 bytes."
      }
    }

    argument "bssid" {
      type        = list(string)
      description = "addresses of the radios to use; wicd needs all of them"
      default     = []
      validation {
        condition     = alltrue([for b in arg.bssid : can(regex("^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", b))])
        error_message = "The address of a radio looks like 00:11:22:AA:BB:CC."
      }
    }

    argument "hidden" {
      type        = bool
      description = "the network does not tell its name"
      default     = false
    }

    argument "security" {
      type        = string
      description = "wpa2 or wpa3"
      default     = "wpa2"
      validation {
        condition     = contains(["wpa2", "wpa3"], arg.security)
        error_message = "The kinds of security are wpa2 and wpa3."
      }
    }
  }

  locals {
    interface = "wlan0" # of the radio, whatever name the kernel gave it
    radio     = arg.wan == null
    netplan   = local.radio && arg.manager == "netplan"
    wicd      = local.radio && arg.manager == "wicd"
    out       = local.radio ? local.interface : "wan"
    keyed     = system.release != null && !contains(["bionic", "focal", "buster", "bullseye"], system.release) # netplan from 0.105 on

    firmware = arg.firmware != null ? arg.firmware : (arg.card != null ? ["linux-firmware"] : [])
    wireless = {
      none    = []
      netplan = ["wpasupplicant", "netplan.io", "iw", "wireless-regdb"]
      wicd    = ["wicd-daemon", "wicd-cli", "iw", "wireless-regdb"]
    }

    # What may pass: packets from a client's own address to the endpoints of its tunnel, and their answers.
    ways = flatten([
      for c in clients : [
        for e in try(c.export.endpoints, []) : {
          family   = strcontains(e.address, ":") ? "ip6" : "ip"
          client   = strcontains(e.address, ":") ? c.ipv6 : c.ipv4
          endpoint = e.address
          proto    = e.proto
          port     = e.port
        } if(strcontains(e.address, ":") ? c.ipv6 : c.ipv4) != null
      ] if c.interface == "lan"
    ])

    points = {
      for w in arg.wifi : w.ssid => { for key, value in {
        password = w.security == "wpa2" ? w.psk : null
        auth     = w.security == "wpa3" ? { key-management = "sae", password = w.psk } : null
        bssid    = length(w.bssid) > 0 ? upper(w.bssid[0]) : null
        hidden   = w.hidden ? true : null
      } : key => value if value != null }
    }
  }

  packages = concat(["nftables", "iproute2"], local.wireless[local.radio ? arg.manager : "none"], local.firmware)
  enable = concat(
    ["jeos-router.service"],
    local.radio ? ["jeos-radio.service"] : [],
    local.wicd ? ["wicd.service"] : [],
  )
  disable = ["nftables.service"] # it empties all rules when it stops
  apply   = concat(local.radio ? ["/usr/local/lib/jeos/radio up"] : [], local.netplan ? ["netplan apply"] : [])
  guard   = "/usr/local/lib/jeos/router check"

  nic "lan" {
    network = arg.lan
    gateway = true
  }

  nic "wan" {
    when    = arg.wan != null
    network = arg.wan
    dhcp    = try(arg.wan.mode, "") == "bridge"
  }

  device "card" {
    when    = arg.card != null
    pci     = arg.card
    managed = arg.managed
  }

  outside "wlan0" {
    when = local.radio
  }

  forward {
    from = "lan"
    to   = local.out
    only = "endpoints"
  }

  file "/etc/jeos/router.nft" {
    template = "router.nft.tmpl"
  }

  file "/usr/local/lib/jeos/router" {
    template = "router.tmpl"
    mode     = "0755"
  }

  file "/etc/systemd/system/jeos-router.service" {
    template = "jeos-router.service.tmpl"
  }

  file "/etc/sysctl.d/90-jeos.conf" {
    template = "sysctl.conf.tmpl"
  }

  # One radio is known by being one; of several, by its address.
  file "/etc/systemd/network/10-jeos-radio.link" {
    when    = local.radio && (arg.card != null || arg.mac != null)
    content = "[Match]\n${arg.mac != null ? "MACAddress=${lower(coalesce(arg.mac, "-"))}" : "Type=wlan"}\n\n[Link]\nName=${local.interface}\n"
  }

  file "/etc/modprobe.d/jeos-radio.conf" {
    when    = local.radio
    content = "options cfg80211 ieee80211_regdom=${coalesce(arg.country, "00")}\n"
  }

  file "/usr/local/lib/jeos/radio" {
    when     = local.radio
    template = "radio.tmpl"
    mode     = "0755"
  }

  file "/etc/systemd/system/jeos-radio.service" {
    when     = local.radio
    template = "jeos-radio.service.tmpl"
  }

  file "/etc/netplan/60-jeos.yaml" {
    when = local.netplan
    mode = "0600"
    content = jsonencode({
      network = {
        version = 2
        wifis = {
          (local.interface) = { for key, value in {
            dhcp4             = true
            dhcp6             = false
            accept-ra         = true
            optional          = true
            regulatory-domain = local.keyed ? arg.country : null
            access-points     = local.points
          } : key => value if value != null }
        }
      }
    })
  }

  file "/etc/wicd/manager-settings.conf" {
    when     = local.wicd
    template = "wicd-manager.conf.tmpl"
    mode     = "0600"
  }

  file "/etc/wicd/wireless-settings.conf" {
    when     = local.wicd
    template = "wicd-wireless.conf.tmpl"
    mode     = "0600"
  }

  probe "associated" {
    when    = local.radio
    command = "/usr/local/lib/jeos/radio probe"
  }

  warning {
    when = local.wicd && system.release == null
    text = "The release in the image is not known. wicd is in Ubuntu precise to bionic and in Debian stretch and buster; later releases have netplan only."
  }

  warning {
    when = local.netplan && system.release == null && anytrue([for w in arg.wifi : w.hidden || w.security == "wpa3"])
    text = "The release in the image is not known. Hidden networks need the netplan of Ubuntu focal, Debian bullseye or later, WPA3 that of noble, trixie or later."
  }

  warning {
    when = arg.card != null && (system.release == null ? false : contains(["bionic", "focal", "jammy"], system.release))
    text = "Ubuntu's minimal images of this release have a kernel without wifi. Bake the image with kernel = \"generic\"."
  }

  warning {
    when = length(local.ways) == 0
    text = "No guest goes through this one with a tunnel, so it passes nothing on. A guest with the role openvpn_client names it as via."
  }
}

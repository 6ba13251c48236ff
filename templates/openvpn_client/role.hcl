# The guest between the workloads and the outside: what they send leaves through an OpenVPN tunnel or not at all.
role {
  summary  = "a gateway that lets the guests behind it out through an OpenVPN tunnel alone"
  confined = true

  argument "uplink" {
    type        = network
    description = "the network by which the tunnel's own packets leave"
  }

  argument "via" {
    type        = guest
    description = "the guest on that network that passes them on, such as one with the role wifi_router"
  }

  argument "lan" {
    type        = network
    description = "the network of the guests behind this one"
    validation {
      condition     = arg.lan.name != arg.uplink.name
      error_message = "The guests behind the tunnel need a network of their own: ${arg.lan.name} is the uplink as well."
    }
  }

  argument "config" {
    type        = openvpn
    description = "the provider's configuration, a file; scripts and routes in it are dropped with a warning, what jeos sets itself (nobind, verb …) with a line of --log-level info"
    validation {
      condition     = length(arg.config.remotes) > 0
      error_message = "The configuration names no server. It needs a line such as: remote vpn.example.net 1194 udp"
    }
    validation {
      condition     = !arg.config.needs_credentials || (arg.username != null && arg.password != null) || (arg.config.username != null && arg.config.password != null)
      error_message = "The configuration asks for a user name and a password (auth-user-pass). Give the role username and password, as sensitive variables."
    }
  }

  argument "username" {
    type        = string
    description = "for servers that ask for one"
    default     = null
    secret      = true
    validation {
      condition     = arg.username == null || arg.config.needs_credentials
      error_message = "The configuration asks for no user name. Remove username, or add a line \"auth-user-pass\" to it."
    }
    validation {
      condition     = arg.username == null || can(regex("^[^[:cntrl:]]{1,127}$", arg.username))
      error_message = "A user name is one line of 1 to 127 characters, without control characters."
    }
  }

  argument "password" {
    type        = string
    description = "for servers that ask for one"
    default     = null
    secret      = true
    validation {
      condition     = (arg.password == null) == (arg.username == null)
      error_message = "The user name and the password belong together. Give both or none."
    }
    validation {
      condition     = arg.password == null || can(regex("^[^[:cntrl:]]{1,127}$", arg.password))
      error_message = "A password is one line of 1 to 127 characters, without control characters."
    }
  }

  argument "dns" {
    type        = list(string)
    description = "addresses of resolvers, asked through the tunnel only"
    validation {
      condition     = length(arg.dns) > 0
      error_message = "The guests need a resolver that can be reached through the tunnel. The provider's documentation names one."
    }
    validation {
      condition     = alltrue([for a in arg.dns : can(cidrhost("${a}/${strcontains(a, ":") ? 128 : 32}", 0))])
      error_message = "These must be IP addresses: the names of resolvers cannot be looked up before there is one."
    }
    validation {
      condition = !anytrue(flatten([
        for a in arg.dns : [
          for reserved in ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "::ffff:0:0/96", "fe80::/10", "ff00::/8"] :
          try(cidrcontains(reserved, a), false)
        ]
      ]))
      error_message = "One of these is no address of a host beyond the tunnel: it is unspecified, or of a loopback, a single link, a group or a reserved range."
    }
    validation {
      condition     = !anytrue(flatten([for a in arg.dns : [for own in concat(arg.lan.cidrs, arg.uplink.cidrs) : try(cidrcontains(own, a), false)]]))
      error_message = "One of these is an address of ${arg.lan.name} or ${arg.uplink.name}, which is not beyond the tunnel. Name a resolver of the provider's, or give that network another range."
    }
    validation {
      condition     = arg.ipv6 || anytrue([for a in arg.dns : !strcontains(a, ":")])
      error_message = "All of them are IPv6 addresses, which a tunnel without IPv6 does not reach. Give an IPv4 one, or set ipv6 = true."
    }
  }

  argument "ipv6" {
    type        = bool
    description = "the tunnel has IPv6. Without it, IPv6 of the guests is refused at once, so that they use IPv4"
    default     = false
  }

  argument "verify_server" {
    type        = bool
    description = "take nothing but a certificate made for servers. False is for old providers whose certificates do not say"
    default     = true
  }

  locals {
    mark  = "0x6a656f73" # of the packets of OpenVPN's own sockets
    table = 100          # of routes for everything else

    endpoints = distinct(flatten([
      for r in arg.config.remotes : [
        for a in pinned[r.host] : { address = a, proto = r.proto, port = r.port, family = strcontains(a, ":") ? "ip6" : "ip" }
        if(strcontains(a, ":") ? local.router.ipv6 : local.router.ipv4) != null
      ]
    ]))
    router    = nic.uplink.gateway
    resolvers = [for a in arg.dns : a if arg.ipv6 || !strcontains(a, ":")]
    username  = arg.username != null ? arg.username : arg.config.username
    password  = arg.password != null ? arg.password : arg.config.password
  }

  resolve  = [for r in arg.config.remotes : r.host]
  packages = ["openvpn", "nftables", "dnsmasq-base", "iproute2"]
  enable   = ["jeos-gateway.service", "jeos-dns.service", "jeos-openvpn.service"]
  disable  = ["nftables.service", "systemd-resolved.service"]                       # the first empties all rules when it stops
  apply    = ["netplan generate", "systemctl try-restart systemd-networkd.service"] # which reads networkd.conf.d anew, too
  guard    = "/usr/local/lib/jeos/gateway check"
  export   = { endpoints = local.endpoints }

  nic "uplink" {
    network       = arg.uplink
    via           = arg.via
    default_route = false # see 60-jeos.yaml
  }

  nic "lan" {
    network = arg.lan
    gateway = true
  }

  tunnel "tun0" {
    over      = "uplink"
    endpoints = [for e in local.endpoints : { address = e.address, proto = e.proto, port = e.port }]
  }

  forward {
    from = "lan"
    to   = "tun0"
  }

  file "/etc/jeos/gateway.nft" {
    template = "gateway.nft.tmpl"
  }

  file "/usr/local/lib/jeos/gateway" {
    template = "gateway.tmpl"
    mode     = "0755"
  }

  file "/etc/systemd/system/jeos-gateway.service" {
    template = "jeos-gateway.service.tmpl"
  }

  file "/etc/sysctl.d/90-jeos.conf" {
    template = "sysctl.conf.tmpl"
  }

  # The routes of the tunnel's own packets. No other packet has a way to the uplink in the main table.
  file "/etc/netplan/60-jeos.yaml" {
    mode = "0600"
    content = jsonencode({
      network = {
        version = 2
        ethernets = {
          uplink = {
            routes = [
              for a in distinct(local.endpoints[*].address) :
              {
                to      = strcontains(a, ":") ? "${a}/128" : "${a}/32"
                via     = strcontains(a, ":") ? local.router.ipv6 : local.router.ipv4
                on-link = true # to look for the router's address by the rules for packets would lead nowhere
              }
            ]
          }
        }
      }
    })
  }

  # Rules and routes that networkd has not made are not its own to remove.
  file "/etc/systemd/networkd.conf.d/jeos.conf" {
    content = "[Network]\nManageForeignRoutes=no\nManageForeignRoutingPolicyRules=no\n"
  }

  file "/etc/openvpn/client/jeos.conf" {
    template = "openvpn.conf.tmpl"
    mode     = "0600"
  }

  file "/etc/openvpn/client/jeos.auth" {
    when    = arg.config.needs_credentials
    content = "${local.username}\n${local.password}\n"
    mode    = "0600"
  }

  file "/usr/local/lib/jeos/tunnel" {
    template = "tunnel.tmpl"
    mode     = "0755"
  }

  file "/etc/systemd/system/jeos-openvpn.service" {
    template = "jeos-openvpn.service.tmpl"
  }

  file "/etc/jeos/dnsmasq.conf" {
    template = "dnsmasq.conf.tmpl"
  }

  file "/etc/systemd/system/jeos-dns.service" {
    template = "jeos-dns.service.tmpl"
  }

  file "/etc/resolv.conf" {
    content = "nameserver 127.0.0.1\n"
  }

  probe "tunnel" {
    command = "/usr/local/lib/jeos/tunnel probe"
  }

  warning {
    when = length(local.endpoints) == 0
    text = "No server of the profile has an address that the uplink can reach: it has ${local.router.ipv4 != null ? "IPv4" : "IPv6"} alone, and they the other. Give its network a range of theirs, too."
  }
}

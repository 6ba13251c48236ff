role {
  summary  = "leads a network into a tunnel"
  confined = true

  argument "uplink" {
    type = network
  }
  argument "via" {
    type    = guest
    default = null
  }
  argument "lan" {
    type = network
  }
  argument "servers" {
    type    = list(string)
    default = []
  }
  argument "config" {
    type    = openvpn
    default = null
  }
  argument "dns" {
    type    = list(string)
    default = []
  }

  locals {
    remotes   = try(arg.config.remotes, [for s in arg.servers : { host = s, port = 1194, proto = "udp" }])
    endpoints = flatten([for r in local.remotes : [for a in pinned[r.host] : { address = a, proto = r.proto, port = r.port }]])
  }

  resolve  = [for r in local.remotes : r.host]
  packages = ["openvpn"]
  enable   = ["tunnel.service"]
  guard    = "test -e /run/closed"
  export   = local.endpoints

  nic "uplink" {
    network = arg.uplink
    via     = arg.via
  }
  nic "lan" {
    network = arg.lan
    gateway = true
  }
  forward {
    from = "lan"
    to   = "tun0"
  }
  tunnel "tun0" {
    over      = "uplink"
    endpoints = local.endpoints
  }
  file "/etc/tunnel.conf" {
    content = "gateway ${try(nic.uplink.gateway.ipv4, "none")} dns ${join(",", arg.dns)}\n${try(arg.config.settings, "")}"
    mode    = "0600"
  }
  warning {
    when = length(arg.dns) == 0
    text = "No resolver is given."
  }
}

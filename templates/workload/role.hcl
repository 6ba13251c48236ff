# A guest that does its work behind a gateway, with one network card and no other way.
role {
  summary  = "a guest on an inside network whose only way out is its gateway"
  confined = true

  argument "lan" {
    type        = network
    description = "the network of the gateway and the guests behind it"
  }

  argument "via" {
    type        = guest
    description = "the gateway, such as a guest with the role openvpn_client"
  }

  argument "wait" {
    type        = number
    description = "how many seconds the boot waits for the gateway at most, before what needs a network starts"
    default     = 60
    validation {
      condition     = arg.wait >= 1 && arg.wait <= 600 && floor(arg.wait) == arg.wait
      error_message = "The boot can wait for 1 to 600 whole seconds."
    }
  }

  locals {
    gateway = nic.lan.gateway.ipv4 != null ? nic.lan.gateway.ipv4 : nic.lan.gateway.ipv6
  }

  enable = ["jeos-wait-gateway.service"]

  nic "lan" {
    network = arg.lan
    via     = arg.via
  }

  file "/etc/sysctl.d/90-jeos.conf" {
    template = "sysctl.conf.tmpl"
  }

  file "/usr/local/lib/jeos/wait-gateway" {
    template = "wait-gateway.tmpl"
    mode     = "0755"
  }

  file "/etc/systemd/system/jeos-wait-gateway.service" {
    template = "jeos-wait-gateway.service.tmpl"
  }

  probe "gateway" {
    command = "/usr/local/lib/jeos/wait-gateway 1"
  }
}

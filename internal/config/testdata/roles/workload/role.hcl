role {
  summary  = "is behind a tunnel alone"
  confined = true

  argument "lan" {
    type = network
  }
  argument "via" {
    type = guest
  }

  nic "lan" {
    network = arg.lan
    via     = arg.via
  }
}

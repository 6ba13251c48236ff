# Two guests. Both reach the outside through the host; between themselves they talk on a network that the host has no
# address on. The second one keeps its data on a disk that survives it.

jeos {
  site = "pair"
}

variable "image" {
  type        = string
  default     = "ubuntu-24.04-minimal-cloudimg-amd64.img"
  description = "a cloud image with cloud-init, in this folder or by its path"
}

locals {
  motd = "One of a pair.\n"
}

image "base" {
  source = var.image
}

network "wan" {
  mode  = "nat"
  cidrs = ["10.77.2.0/24"]
}

network "link" {
  cidrs = ["10.77.3.0/24", "fd64:6a65:6f73:3::/64"]
}

guest "front" {
  image  = image.base
  memory = "512MiB"

  nic "wan" {
    network = network.wan
  }

  nic "link" {
    network = network.link
  }

  file "/etc/motd" {
    content = local.motd
  }

  # A reference to the other guest: its address on the link is known before it exists.
  file "/etc/backend" {
    content = "${guest.back.nic["link"].addresses[0]}\n"
  }
}

guest "back" {
  image  = image.base
  memory = "512MiB"

  nic "wan" {
    network = network.wan
  }

  nic "link" {
    network = network.link
  }

  file "/etc/motd" {
    content = local.motd
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

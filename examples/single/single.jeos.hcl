# One guest on a network of its own, with a user who can log in by ssh from the host.

jeos {
  site = "single"
}

variable "image" {
  type        = string
  default     = "ubuntu-24.04-minimal-cloudimg-amd64.img"
  description = "a cloud image with cloud-init, in this folder or by its path"
}

variable "ssh_key" {
  type        = string
  default     = ""
  description = "public key of who may log in as admin; empty: nobody"
}

image "base" {
  source = var.image
}

network "lan" {
  mode  = "nat"
  cidrs = ["10.77.1.0/24"]
}

guest "hello" {
  image  = image.base
  memory = "512MiB"

  nic "lan" {
    network = network.lan
  }

  user "admin" {
    ssh_keys = compact([var.ssh_key])
    sudo     = true
  }

  file "/etc/motd" {
    content = "This is ${guest.hello.name}. jeos made it.\n"
  }
}

output "address" {
  value = guest.hello.addresses[0]
}

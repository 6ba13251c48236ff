# A role of the site's own: what it takes to copy folders of a guest to another one every night is written once, in
# roles/backup, and every guest that has the role says what is its own about it.

jeos {
  site = "own-role"
}

variable "image" {
  type        = string
  default     = "ubuntu-24.04-minimal-cloudimg-amd64.img"
  description = "a cloud image with cloud-init, in this folder or by its path"
}

variable "backup_password" {
  type        = string
  default     = "change me, please"
  sensitive   = true
  description = "what the guests need to write to the store"
}

image "base" {
  source = var.image
}

network "lan" {
  mode  = "nat"
  cidrs = ["10.77.4.0/24"]
}

role "backup" {
  source = "./roles/backup"
}

guest "web" {
  image = image.base

  role "backup" {
    lan      = network.lan
    to       = guest.store
    password = var.backup_password
    folders  = ["/srv", "/home/Bob's photos"]
  }
}

guest "mail" {
  image = image.base

  role "backup" {
    lan      = network.lan
    to       = guest.store
    password = var.backup_password
    folders  = ["/var/mail"]
    at       = "02:30"
  }
}

guest "store" {
  image    = image.base
  packages = ["rsync"]
  run      = ["install -d /srv/backup", "systemctl enable --now rsync.service"]

  nic "lan" {
    network = network.lan
  }

  disk "data" {
    size  = "20GiB"
    mount = "/srv"
    keep  = true
  }

  file "/etc/rsyncd.conf" {
    content = <<-EOT
      [backup]
      path = /srv/backup
      read only = false
      uid = root
      auth users = backup
      secrets file = /etc/rsyncd.secrets
    EOT
  }

  file "/etc/rsyncd.secrets" {
    content = "backup:${var.backup_password}\n"
    mode    = "0600"
  }
}

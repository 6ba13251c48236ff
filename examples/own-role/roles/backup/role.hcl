role {
  summary = "a guest that copies some of its folders to another guest every night"

  argument "lan" {
    type        = network
    description = "where both guests are"
  }

  argument "to" {
    type        = guest
    description = "the guest that keeps the copies: an rsync daemon with a module named backup"
  }

  argument "password" {
    type        = string
    description = "of the user backup there"
    secret      = true
  }

  argument "folders" {
    type        = list(string)
    description = "absolute paths"

    validation {
      condition     = alltrue([for folder in arg.folders : startswith(folder, "/")])
      error_message = "The path of a folder begins with a slash."
    }
  }

  argument "at" {
    type        = string
    description = "time of the day"
    default     = "03:00"

    validation {
      condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]$", arg.at))
      error_message = "${arg.at} is no time of the day. Write one like 03:00."
    }
  }

  nic "lan" {
    network = arg.lan
  }

  packages = ["rsync"]
  enable   = ["backup.timer"]

  file "/usr/local/sbin/backup" {
    template = "backup.sh.tmpl"
    mode     = "0755"
  }

  file "/etc/backup.password" {
    content = "${arg.password}\n"
    mode    = "0600"
  }

  file "/etc/systemd/system/backup.timer" {
    template = "backup.timer.tmpl"
  }

  file "/etc/systemd/system/backup.service" {
    content = <<-EOT
      [Unit]
      Description=Copy folders to another guest

      [Service]
      Type=oneshot
      ExecStart=/usr/local/sbin/backup
    EOT
  }

  probe "backup" {
    command = "systemctl is-active backup.timer"
  }

  warning {
    when = contains(arg.folders, "/")
    text = "A copy of the root folder holds the devices of the guest, too. Name the folders that matter."
  }
}

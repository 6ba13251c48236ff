# What differs from one house to the next. Values that are secret go into an environment variable (JEOS_VAR_wifi_psk) or
# into a file that is not committed (secret.auto.jeosvars).

variable "image" {
  type        = string
  default     = "ubuntu-24.04-minimal-cloudimg-amd64.img"
  description = "a cloud image with cloud-init, in this folder or by its path"
}

variable "memory" {
  type        = string
  default     = "512MiB"
  description = "of each guest"
}

variable "wifi_psk" {
  type        = string
  default     = "not the real one"
  sensitive   = true
  description = "passphrase of the wifi network"
}

variable "country" {
  type        = string
  default     = "DE"
  description = "where the radio sends"
}

variable "card" {
  type        = string
  default     = "8086:2723"
  description = "the host's wifi card by its identity, as lspci -nn shows it; empty where the guest has a radio already"
}

variable "radio_mac" {
  type        = string
  default     = ""
  description = "address of the radio, where the guest has several; empty for the only one"
}

variable "vpn_config" {
  type        = string
  default     = "client.ovpn"
  description = "the provider's configuration"
}

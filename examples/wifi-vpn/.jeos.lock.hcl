endpoint "vpn.example.net" {
  addresses = ["198.51.100.10", "2001:db8::10"]
}

// Package roles is the engine for roles. A role says what a guest is for: a folder with a role.hcl and the templates of
// the files that it writes. The engine knows none by name.
//
// [Load] reads a role and finds every mistake that does not depend on a guest: unknown names, cycles of local values,
// values that are used before they are known, templates that are missing. What it gives says which arguments and blocks
// a role block may have. The caller reads these, and resolves what refers to its own things (see [Type]). Then it asks,
// for each guest with that role, in this order:
//
//  1. [Definition.Identity]: network cards, devices, and the names of hosts whose addresses must be pinned
//  2. [Definition.Export], once addresses are known: what the gateways of the guest get to know of it
//  3. [Definition.Expand]: all the rest
//
// A stage never changes anything, and the same input always gives the same result. It says nothing about values that are
// unknown, since whoever made them has; its result is nil then. Each stage checks the arguments as far as they are known,
// so the same mistake may be reported by several stages, in the same words.
//
// A mistake in the role block of a site is reported there, and names the role; where the role uses the value is told in
// the detail. For that, values carry a mark of where they come from. A mistake of the role is reported in its own files,
// and the role block that showed it is told in the detail.
//
// Sensitive values carry a mark of the caller: every mark that is not of this package counts as one. So does what comes
// from an argument that is secret. They may go into files, which become sensitive by that, into conditions, and into what
// is exported.
//
// # Writing a role
//
// A role is a folder. Its role.hcl holds one block, in which order does not matter and all but the summary can be left
// out:
//
//	role {
//	  summary  = "one line for people"
//	  confined = true                  # its guest may reach the outside through a tunnel alone
//
//	  argument "lan" {                 # what a role block may set
//	    type        = network          # see Type for the others
//	    description = "…"
//	    default     = null             # without it the argument is required
//	    secret      = true             # the value may be sensitive, and is treated as such
//	    validation {                   # may use arg and system
//	      condition     = …
//	      error_message = "…"
//	    }
//	  }
//	  block "wifi" {                   # what may stand in a role block
//	    label = "ssid"                 # how its label is called; without it, it has none
//	    min   = 1                      # how many there must be and can be; as many as one likes by default
//	    max   = 4
//	    argument "psk" { … }           # in its validations, arg is about this block alone
//	  }
//	  locals { … }
//
//	  # Identity
//	  nic "uplink" {                   # a card, and the name of its interface in the guest; in this order
//	    when    = …                    # true or false; in all blocks from here on
//	    network = arg.uplink
//	    via     = arg.via              # the guest that is its gateway, or null
//	    gateway = true                 # this guest is the gateway of that network
//	    dhcp    = false                # these two as in nic blocks
//	    default_route = true
//	  }
//	  device "card" { pci = arg.card  managed = false }
//	  resolve = ["vpn.example.net"]    # whose addresses the lock file must hold; IP addresses are passed over
//
//	  # Export
//	  export = { … }                   # what the gateways of the guest get to know of it
//
//	  # All the rest
//	  packages = [ … ]
//	  enable   = ["a.service"]         # units that run
//	  disable  = ["b.service"]         # units that must not
//	  apply    = ["netplan apply"]     # shell lines, run when files of the role came or changed
//	  guard    = "…"                   # shell line that succeeds while the guest's rules are as they should be
//	  file "/etc/x.conf" { template = "x.conf.tmpl"  mode = "0600"  owner = "root:root" }  # or content
//	  probe "associated" { command = "…" }          # shell line that prints one line and succeeds when all is well
//	  warning { text = "…" }                        # shown with the plan
//	  outside "wlan0" {}                            # an interface of its own that leads to the outside
//	  forward { from = "uplink"  to = "wlan0"  only = "endpoints" }  # passes packets on; only those of tunnels
//	  tunnel "tun0" { over = "uplink"  endpoints = [{ address = …, proto = "udp", port = 1194 }] }
//	}
//
// Expressions and templates can use:
//
//	arg.NAME     an argument; of a block, a list of objects with the label under its name
//	local.NAME   a local value. Only what is needed is evaluated
//	site, guest  their names
//	system       { release (a codename, or null when unknown), arch }
//	nic.NAME     from export on, null for cards that are not there: { interface, mac, addresses, prefixes, ipv4, ipv6, cidr4,
//	             cidr6, gateway = { guest, mac, addresses, ipv4, ipv6 } }; the gateway and addresses of a family may be null
//	pinned       from export on: the addresses of each host in resolve
//	clients      for all the rest: the cards of other guests that go through this one, as a list of { guest, interface, mac,
//	             addresses, ipv4, ipv6, export }, where interface is this guest's
//
// They can call the functions of the language that depend on nothing but their arguments, and one for each format that
// text is written into: dnsmasq, ini, keyfile, nft, openvpn, sh, unit, wicd, wpa_psk and wpa_ssid. Each gives text that
// stands for exactly its argument, or refuses it. Every text that a role block can set belongs into one of them.
package roles

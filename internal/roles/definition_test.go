package roles_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"jeos/internal/roles"
)

// TestDefinition compares what the caller gets to know of a role.
func TestDefinition(t *testing.T) {
	role := `role {
  summary  = "a role"
  confined = true
  argument "lan" {
    type        = network
    description = "the network"
  }
  argument "via" {
    type = guest
  }
  argument "wan" {
    type    = network
    default = null
  }
  argument "mode" {
    type    = string
    default = "a"
  }
  argument "list" {
    type    = list(string)
    default = ["b"]
    secret  = true
  }
  block "wifi" {
    label       = "ssid"
    description = "a network in the air"
    min         = 1
    max         = 3
    argument "psk" {
      type   = string
      secret = true
    }
  }
  block "peer" {
    argument "host" {
      type = string
    }
  }
  locals {
    wan  = arg.wan
    mode = local.deep
    deep = arg.mode
  }
  resolve = [for p in arg.peer : p.host]
  nic "a" {
    network = local.wan
    via     = arg.via
    dhcp    = local.mode == "a"
  }
  file "/etc/a" {
    content = "${arg.list[0]} ${arg.lan.name} ${arg.wifi[0].psk}"
  }
}
`
	d, _, diags := roles.Load(folder(map[string][]byte{"role.hcl": []byte(role)}), "x", "roles/x", language())
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, confined %v\n", d.Name, d.Summary, d.Confined)
	show := func(indent string, args []roles.Argument) {
		for _, a := range args {
			fmt.Fprintf(&b, "%s%s %s required=%v secret=%v early=%v default=%s %s\n", indent, a.Name, a.Type, a.Required, a.Secret, a.Early,
				showValue(t, a.Default), a.Description)
		}
	}
	show("", d.Arguments)
	for _, n := range d.Blocks {
		fmt.Fprintf(&b, "%s %q min=%d max=%d %s\n", n.Type, n.Label, n.Min, n.Max, n.Description)
		show("  ", n.Arguments)
	}
	want := `x: a role, confined true
lan network required=true secret=false early=false default=null the network
via guest required=true secret=false early=true default=null 
wan network required=false secret=false early=true default=null 
mode string required=false secret=false early=true default="a" 
list list(string) required=false secret=true early=false default=["b"] 
wifi "ssid" min=1 max=3 a network in the air
  psk string required=true secret=true early=false default=null 
peer "" min=0 max=0 
  host string required=true secret=false early=true default=null 
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

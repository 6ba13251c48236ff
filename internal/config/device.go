package config

import (
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"jeos/internal/words"
)

var pciType = cty.Object(map[string]cty.Type{"id": cty.String, "address": cty.String})

// pciFunction names a PCI device of the host, by its identity or by its address.
func pciFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "device", Type: cty.String}},
		Type:   function.StaticReturnType(pciType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			id, address := cty.NullVal(cty.String), cty.NullVal(cty.String)
			switch text := strings.ToLower(args[0].AsString()); {
			case words.CheckPCIIdentity(text) == "":
				id = cty.StringVal(text)
			case words.CheckPCIAddress(text) == "":
				address = cty.StringVal(text)
			default:
				return cty.DynamicVal, errors.New(`a device is named by vendor and product, like "8086:2723", or by its address, like "0000:03:00.0";` +
					" lspci -Dnn shows both")
			}
			return cty.ObjectVal(map[string]cty.Value{"id": id, "address": address}), nil
		},
	})
}

// deviceReference reads an argument that names a PCI device; cty.DynamicVal when it is wrong.
func (s *section) deviceReference(arg string) cty.Value {
	value, ok := s.value(arg)
	if !ok {
		return cty.DynamicVal
	}
	if value.Type().Equals(pciType) {
		return value
	}
	example := `pci("8086:2723")`
	if value.Type() == cty.String {
		example = "pci(" + words.Quote(value.AsString()) + ")"
	}
	s.add(s.at(arg), "Invalid device", "This value is no PCI device. Name one by vendor and product or by its address: %s = %s", arg, example)
	return cty.DynamicVal
}

// checkDevices finds devices that two guests would have.
func (l *loader) checkDevices() {
	type user struct {
		inst   *instance
		origin string
	}
	users := map[string]user{}
	for _, inst := range l.instances {
		if inst.role == nil {
			continue
		}
		for _, d := range inst.role.identity.Devices {
			name := d.ID + d.Address
			if first, ok := users[name]; ok {
				l.add(d.At, "Duplicate device", "The device %s is that of guest %s already, at %s, and only one guest can have it. Name another one;"+
					" of several that are alike, name each by its address.", name, words.Quote(first.inst.name), first.origin)
				continue
			}
			users[name] = user{inst, origin(d.At)}
		}
	}
}

package config

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"jeos/internal/words"
)

func networkFunctions() map[string]function.Function {
	text := func(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.String} }
	number := func(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.Number} }
	make := func(params []function.Parameter, f func(prefix netip.Prefix, numbers []*big.Int) (string, error)) function.Function {
		return function.New(&function.Spec{
			Params: params,
			Type:   function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				prefix, err := netip.ParsePrefix(args[0].AsString())
				if err != nil {
					return cty.DynamicVal, function.NewArgErrorf(0, "%s is no range of addresses like 10.64.0.0/24", words.Quote(args[0].AsString()))
				}
				var numbers []*big.Int
				for i, arg := range args[1:] {
					n, accuracy := arg.AsBigFloat().Int(nil)
					if accuracy != big.Exact {
						return cty.DynamicVal, function.NewArgErrorf(i+1, "a whole number is required")
					}
					numbers = append(numbers, n)
				}
				s, err := f(prefix.Masked(), numbers)
				return cty.StringVal(s), err
			},
		})
	}
	return map[string]function.Function{
		"cidrcontains": cidrContainsFunction(),
		"cidrhost": make([]function.Parameter{text("prefix"), number("hostnum")}, func(p netip.Prefix, n []*big.Int) (string, error) {
			addr, err := addressIn(p, n[0])
			return addr.String(), err
		}),
		"cidrsubnet": make([]function.Parameter{text("prefix"), number("newbits"), number("netnum")}, cidrSubnet),
		"cidrnetmask": make([]function.Parameter{text("prefix")}, func(p netip.Prefix, _ []*big.Int) (string, error) {
			if !p.Addr().Is4() {
				return "", errors.New("only IPv4 ranges have a netmask")
			}
			mask, err := netip.AddrFrom4([4]byte{255, 255, 255, 255}).Prefix(p.Bits())
			return mask.Addr().String(), err
		}),
	}
}

// cidrContainsFunction tells whether all of a range or an address lies in a range of the same family.
func cidrContainsFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "contained", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			outer, err := netip.ParsePrefix(args[0].AsString())
			if err != nil {
				return cty.DynamicVal, function.NewArgErrorf(0, "%s is no range of addresses like 10.64.0.0/24", words.Quote(args[0].AsString()))
			}
			inner, err := netip.ParsePrefix(args[1].AsString())
			if addr, addrErr := netip.ParseAddr(args[1].AsString()); addrErr == nil && addr.Zone() == "" {
				inner, err = netip.PrefixFrom(addr, addr.BitLen()), nil
			}
			switch {
			case err != nil:
				return cty.DynamicVal, function.NewArgErrorf(1, "%s is no address and no range of addresses", words.Quote(args[1].AsString()))
			case outer.Addr().Is4() != inner.Addr().Is4():
				return cty.DynamicVal, function.NewArgErrorf(1, "%s and %s are not of one family", outer, words.Quote(args[1].AsString()))
			}
			return cty.BoolVal(outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())), nil
		},
	})
}

// addressIn returns the address with that number in a range; negative numbers count from its end.
func addressIn(p netip.Prefix, number *big.Int) (netip.Addr, error) {
	size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	offset := new(big.Int).Set(number)
	if offset.Sign() < 0 {
		offset.Add(offset, size)
	}
	if offset.Sign() < 0 || offset.Cmp(size) >= 0 {
		return netip.Addr{}, fmt.Errorf("%s has no host with the number %s", p, number)
	}
	return addOffset(p.Addr(), offset), nil
}

func addOffset(addr netip.Addr, offset *big.Int) netip.Addr {
	bytes := addr.AsSlice()
	new(big.Int).Add(new(big.Int).SetBytes(bytes), offset).FillBytes(bytes)
	sum, _ := netip.AddrFromSlice(bytes)
	return sum
}

func cidrSubnet(p netip.Prefix, n []*big.Int) (string, error) {
	newBits, number := n[0], n[1]
	host := p.Addr().BitLen() - p.Bits()
	if newBits.Sign() < 0 || newBits.Cmp(big.NewInt(int64(host))) > 0 {
		return "", fmt.Errorf("%s cannot be extended by %s bits", p, newBits)
	}
	bits := int(newBits.Int64())
	if number.Sign() < 0 || number.BitLen() > bits {
		return "", fmt.Errorf("%d more bits have no subnet with the number %s", bits, number)
	}
	offset := new(big.Int).Lsh(number, uint(host-bits))
	return netip.PrefixFrom(addOffset(p.Addr(), offset), p.Bits()+bits).String(), nil
}

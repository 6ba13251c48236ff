package config

import (
	"errors"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// collection is a parameter that takes a value with elements.
func collection(name string) function.Parameter {
	return function.Parameter{Name: name, Type: cty.DynamicPseudoType}
}

// lengthFunction counts elements, or the characters of a string.
func lengthFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{collection("value")},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch v := args[0]; {
			case v.Type() == cty.String:
				return stdlib.Strlen(v)
			case v.CanIterateElements():
				return cty.NumberIntVal(int64(v.LengthInt())), nil
			}
			return cty.DynamicVal, function.NewArgErrorf(0, "a list, set, map, object or string is required")
		},
	})
}

// setproductFunction is the standard one with a limit.
func setproductFunction() function.Function {
	f := stdlib.SetProductFunc
	return function.New(&function.Spec{
		VarParam: f.VarParam(),
		Type:     func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			count := 1
			for _, arg := range args {
				if unmarked, _ := arg.Unmark(); unmarked.IsKnown() {
					count *= unmarked.LengthInt()
				}
				if count > maxValueElements {
					return cty.DynamicVal, errors.New("the product has more than 100,000 elements")
				}
			}
			return f.Call(args)
		},
	})
}

// indexFunction finds the position of a value in a list.
func indexFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{collection("list"), {Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsTupleType() && !t.IsListType() {
				return cty.DynamicVal, function.NewArgErrorf(0, "a list is required")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				i, v := it.Element()
				if equal := v.Equals(args[1]); equal.IsKnown() && equal.True() {
					return i, nil
				}
			}
			return cty.DynamicVal, errors.New("the value is not in the list")
		},
	})
}

// oneFunction returns the only element of a list or set, or null when it is empty.
func oneFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{collection("list")},
		Type:   function.StaticReturnType(cty.DynamicPseudoType),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if t := args[0].Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() || args[0].LengthInt() > 1 {
				return cty.DynamicVal, function.NewArgErrorf(0, "a list or set of at most one element is required")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				return v, nil
			}
			return cty.NullVal(cty.DynamicPseudoType), nil
		},
	})
}

// truthFunction makes alltrue and anytrue: the result is decided by the first element that has that value.
func truthFunction(decisive bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for it := args[0].ElementIterator(); it.Next(); {
				if _, v := it.Element(); v.IsKnown() && !v.IsNull() && v.True() == decisive {
					return cty.BoolVal(decisive), nil
				}
			}
			return cty.BoolVal(!decisive), nil
		},
	})
}

// sumFunction adds the numbers of a list or set.
func sumFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{collection("numbers")},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			numbers, err := convert.Convert(args[0], cty.List(cty.Number))
			if err != nil {
				return cty.DynamicVal, function.NewArgErrorf(0, "a list of numbers is required")
			}
			sum := cty.Zero
			for it := numbers.ElementIterator(); it.Next(); {
				_, v := it.Element()
				if v.IsNull() {
					return cty.DynamicVal, function.NewArgErrorf(0, "null is no number")
				}
				sum = sum.Add(v)
			}
			return sum, nil
		},
	})
}

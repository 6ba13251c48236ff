package config

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"jeos/internal/words"
)

// pureFunctions returns those that depend on nothing but their arguments, for roles.
func (l *loader) pureFunctions() map[string]function.Function {
	pure := maps.Clone(l.functions)
	for name := range l.fileFunctions() {
		delete(pure, name)
	}
	for _, name := range []string{"env", "templatefile"} {
		delete(pure, name)
	}
	return pure
}

// makeFunctions returns what expressions can call, by the names that Terraform gave them. None depends on time or
// chance. An error of a function never shows a sensitive argument.
func (l *loader) makeFunctions() map[string]function.Function {
	all := standardFunctions()
	all["sensitive"] = l.sensitiveFunction()
	for _, more := range []map[string]function.Function{
		l.fileFunctions(), networkFunctions(), encodingFunctions(), {"env": l.envFunction(), "pci": pciFunction()},
	} {
		for name, f := range more {
			all[name] = f
		}
	}
	for name, f := range all {
		all[name] = discreet(f)
	}
	all["try"], all["can"] = tryfunc.TryFunc, tryfunc.CanFunc // they take expressions, not values
	all["templatefile"] = discreet(l.templateFunction(all))
	return all
}

func standardFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc, "max": stdlib.MaxFunc,
		"min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,

		"chomp": stdlib.ChompFunc, "format": bounded(stdlib.FormatFunc), "formatlist": bounded(stdlib.FormatListFunc),
		"indent": bounded(stdlib.IndentFunc), "join": joinFunction(), "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc,
		"regexall": stdlib.RegexAllFunc, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc,
		"substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc, "trim": stdlib.TrimFunc,
		"trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper": stdlib.UpperFunc, "replace": replaceFunction(),
		"startswith":  textTest(strings.HasPrefix),
		"endswith":    textTest(strings.HasSuffix),
		"strcontains": textTest(strings.Contains),

		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"keys": stdlib.KeysFunc, "length": lengthFunction(), "lookup": stdlib.LookupFunc, "merge": stdlib.MergeFunc,
		"range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setproduct": setproductFunction(), "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		"index": indexFunction(), "one": oneFunction(), "alltrue": truthFunction(false), "anytrue": truthFunction(true),
		"sum": sumFunction(),

		"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number),
		"tostring": stdlib.MakeToFunc(cty.String), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),

		"nonsensitive": nonsensitiveFunction(),
	}
}

// errDiscreet stands for an error that may tell something about a sensitive value.
var errDiscreet = errors.New("the reason is not shown, because an argument is sensitive")

// discreet wraps a function so that an error says nothing about sensitive arguments, and so that no value becomes too
// large for the functions after it.
func discreet(f function.Function) function.Function {
	open := func(p function.Parameter) function.Parameter {
		p.AllowNull, p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true, true
		return p
	}
	var params []function.Parameter
	for _, p := range f.Params() {
		params = append(params, open(p))
	}
	var varParam *function.Parameter
	if p := f.VarParam(); p != nil {
		opened := open(*p)
		varParam = &opened
	}
	hide := func(args []cty.Value, err error) error {
		if panicked := (function.PanicError{}); errors.As(err, &panicked) {
			err = errors.New("the function does not take these arguments")
		}
		if err != nil && slices.ContainsFunc(args, isSensitive) {
			return errDiscreet
		}
		return err
	}
	return function.New(&function.Spec{
		Params:   params,
		VarParam: varParam,
		Type: func(args []cty.Value) (cty.Type, error) {
			t, err := f.ReturnTypeForValues(args)
			return t, hide(args, err)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err != nil {
				return cty.DynamicVal, hide(args, err)
			}
			if text := checkValue(v); text != "" {
				return cty.DynamicVal, errors.New(strings.TrimSuffix(text, "."))
			}
			return v, nil
		},
	})
}

// textTest makes a function of two strings that is true or false.
func textTest(test func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "string", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// replaceFunction replaces text, or a regular expression when the search text stands between slashes.
func replaceFunction() function.Function {
	param := func(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.String} }
	return function.New(&function.Spec{
		Params: []function.Parameter{param("string"), param("search"), param("replacement")},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			search := args[1].AsString()
			if replacedSize(args[0].AsString(), search, args[2].AsString()) > maxValueBytes {
				return cty.DynamicVal, errTooMuchText
			}
			if len(search) > 1 && strings.HasPrefix(search, "/") && strings.HasSuffix(search, "/") {
				return stdlib.RegexReplace(args[0], cty.StringVal(search[1:len(search)-1]), args[2])
			}
			return stdlib.Replace(args[0], args[1], args[2])
		},
	})
}

var errTooMuchText = errors.New("the result has more than 8 MiB of text")

// replacedSize returns how long a text is at most after a replacement.
func replacedSize(s, search, replacement string) int {
	n := len(search)
	if n > 1 && strings.HasPrefix(search, "/") && strings.HasSuffix(search, "/") {
		re, err := regexp.Compile(search[1 : n-1])
		if err != nil {
			return 0 // which the function reports
		}
		matches := len(re.FindAllStringIndex(s, -1))
		return len(s) + matches*len(replacement) + strings.Count(replacement, "$")*len(s)
	}
	return len(s) + strings.Count(s, search)*max(0, len(replacement)-n)
}

// joinFunction is the standard one with a limit.
func joinFunction() function.Function {
	f := stdlib.JoinFunc
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			size := 0
			for _, list := range args[1:] {
				if list.IsNull() || !list.IsKnown() {
					continue
				}
				for it := list.ElementIterator(); it.Next(); {
					size += len(args[0].AsString())
					if _, v := it.Element(); v.IsKnown() && !v.IsNull() {
						size += len(v.AsString())
					}
				}
			}
			if size > maxValueBytes {
				return cty.DynamicVal, errTooMuchText
			}
			return f.Call(args)
		},
	})
}

var wideVerbRE = regexp.MustCompile(`%[-+ #0]*\[?[0-9]*\]?([0-9]{4,}|[0-9]*\.[0-9]{4,})`)

// bounded wraps a function whose first argument says how much text it makes: a number of blanks, or a format.
func bounded(f function.Function) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type:     func(args []cty.Value) (cty.Type, error) { return f.ReturnTypeForValues(args) },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			first, _ := args[0].Unmark()
			switch {
			case first.IsNull() || !first.IsKnown():
			case first.Type() == cty.Number && first.LessThan(cty.Zero).True():
				return cty.DynamicVal, function.NewArgErrorf(0, "a width is at least 0")
			case first.Type() == cty.Number && first.GreaterThan(cty.NumberIntVal(1000)).True(),
				first.Type() == cty.String && wideVerbRE.MatchString(first.AsString()):
				return cty.DynamicVal, function.NewArgErrorf(0, "widths have at most three digits")
			}
			return f.Call(args)
		},
	})
}

// anything is a parameter that takes every value as it is.
func anything(name string) function.Parameter {
	return function.Parameter{
		Name: name, Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
	}
}

// sensitiveFunction also notes that it was called: loops lose the mark.
func (l *loader) sensitiveFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything("value")},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			l.marked = true
			return args[0].Mark(sensitiveMark{}), nil
		},
	})
}

func nonsensitiveFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{anything("value")},
		Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, _ := args[0].UnmarkDeep()
			return v, nil
		},
	})
}

// envFunction reads the environment: env(NAME) or env(NAME, DEFAULT).
func (l *loader) envFunction() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			value, ok := l.opt.Env(args[0].AsString())
			switch {
			case len(args) > 2:
				return cty.DynamicVal, errors.New("env takes a name and at most one default")
			case ok && strings.ToValidUTF8(value, "") != value:
				return cty.DynamicVal, fmt.Errorf("the environment variable %s is not UTF-8 text", words.Quote(args[0].AsString()))
			case ok && words.CheckNormal(value) != "":
				return cty.DynamicVal, fmt.Errorf("the environment variable %s is not in Unicode's normal form C (NFC), so that HCL would change it",
					words.Quote(args[0].AsString()))
			case ok:
				return cty.StringVal(value), nil
			case len(args) == 2:
				return args[1], nil
			}
			return cty.DynamicVal, fmt.Errorf("the environment variable %s is not set; set it, or give a default as the second argument",
				words.Quote(args[0].AsString()))
		},
	})
}

package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"go.yaml.in/yaml/v4"

	"jeos/internal/words"
)

func encodingFunctions() map[string]function.Function {
	return map[string]function.Function{
		"base64encode": recode(func(s string) (string, error) {
			return base64.StdEncoding.EncodeToString([]byte(s)), nil
		}),
		"base64decode": recode(func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			switch {
			case err != nil:
				return "", errors.New("this is no base64")
			case !utf8.Valid(b):
				return "", errors.New("the result is not UTF-8 text")
			case words.CheckNormal(string(b)) != "":
				return "", errors.New("the result is not in Unicode's normal form C (NFC), so that HCL would change it")
			}
			return string(b), nil
		}),
		"sha256": recode(func(s string) (string, error) {
			h := sha256.Sum256([]byte(s))
			return hex.EncodeToString(h[:]), nil
		}),
		"csvdecode":  stdlib.CSVDecodeFunc,
		"jsondecode": stdlib.JSONDecodeFunc,
		"jsonencode": stdlib.JSONEncodeFunc,
		"yamlencode": yamlFunction(),
	}
}

func recode(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "string", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			return cty.StringVal(s), err
		},
	})
}

// yamlFunction writes YAML in which every string is double-quoted, so that all readers agree on what is a string.
func yamlFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowDynamicType: true}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			node, err := yamlNode(args[0])
			if err != nil {
				return cty.DynamicVal, err
			}
			out, err := yaml.Dump(node, yaml.WithIndent(2))
			return cty.StringVal(string(out)), err
		},
	})
}

func yamlNode(v cty.Value) (*yaml.Node, error) {
	t := v.Type()
	switch {
	case !v.IsKnown():
		return nil, errors.New("a value is unknown")
	case v.IsNull():
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case t == cty.String:
		return yamlString(v.AsString()), nil
	case t == cty.Bool, t == cty.Number:
		s, err := convert.Convert(v, cty.String)
		if err != nil {
			return nil, err
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Value: s.AsString()}, nil
	case !v.CanIterateElements():
		return nil, errors.New("this value has no form in YAML")
	}
	node := &yaml.Node{Kind: yaml.SequenceNode}
	object := t.IsObjectType() || t.IsMapType()
	if object {
		node.Kind = yaml.MappingNode
	}
	for it := v.ElementIterator(); it.Next(); { // maps and objects are iterated by sorted key
		key, value := it.Element()
		inner, err := yamlNode(value)
		if err != nil {
			return nil, err
		}
		if object {
			node.Content = append(node.Content, yamlString(key.AsString()))
		}
		node.Content = append(node.Content, inner)
	}
	return node, nil
}

func yamlString(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: s}
}

// stringOf converts what a template made, which for a single ${…} may be of another type.
func stringOf(v cty.Value) (cty.Value, error) {
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() {
		return cty.DynamicVal, errors.New("the template makes no string")
	}
	return s, nil
}

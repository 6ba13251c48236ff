package builders

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// encodeYAML writes v as a YAML document of ASCII characters alone. Every string, keys included, is in double quotes
// and mappings are sorted by key, so that YAML 1.1 parsers (PyYAML, libyaml) read exactly v and the same v always gives
// the same bytes. A v is made of nil, bool, int, int64, float64, string, []any and map[string]any; anything else is a
// bug and panics. Strings must be valid UTF-8.
func encodeYAML(v any) []byte {
	out, err := yaml.Dump(yamlNode(v), yaml.WithUnicode(false), yaml.WithLineWidth(-1))
	if err != nil {
		panic(fmt.Sprintf("encoding YAML: %v", err))
	}
	return out
}

func yamlNode(v any) *yaml.Node {
	switch v := v.(type) {
	case nil:
		return plainNode("!!null", "null")
	case bool:
		return plainNode("!!bool", strconv.FormatBool(v))
	case int:
		return plainNode("!!int", strconv.Itoa(v))
	case int64:
		return plainNode("!!int", strconv.FormatInt(v, 10))
	case float64:
		return plainNode("!!float", formatFloat(v))
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v, Style: yaml.DoubleQuotedStyle}
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for _, item := range v {
			node.Content = append(node.Content, yamlNode(item))
		}
		return node
	case map[string]any:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			node.Content = append(node.Content, yamlNode(key), yamlNode(v[key]))
		}
		return node
	default:
		panic(fmt.Sprintf("no YAML for a value of type %T", v))
	}
}

func plainNode(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

// formatFloat writes f without an exponent and with a point: YAML 1.1 takes "1e+06" for a string.
func formatFloat(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// anyList returns items as a list that encodeYAML takes.
func anyList[T any](items []T) []any {
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = item
	}
	return list
}

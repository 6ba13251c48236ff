package config

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"jeos/internal/words"
)

// HCL's parser and evaluator recurse, and a Go program cannot survive a stack overflow. These limits are far above what
// people write and far below what the recursion stands. The lexer does not recurse, so tokens are counted first.
const (
	maxDepth     = 128    // of brackets and template sequences
	maxOperators = 10_000 // in one expression
	maxExponent  = 30     // of a number; larger ones take for ever to print
	maxDigits    = 64
	maxLoops     = 2 // in one another; every one multiplies the time that an expression takes
)

// guardNative refuses HCL native syntax that is unsafe to parse.
func guardNative(src []byte, filename string) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos) // the parser reports its diagnostics again
	return guardTokens(tokens)
}

// guardTokens checks depth, operators, numbers and the form of text. It returns at most one diagnostic.
func guardTokens(tokens hclsyntax.Tokens) hcl.Diagnostics {
	// For every open bracket, how many operators precede it in its chain. A chain ends at a comma, and at a newline
	// that is directly inside of braces or outside of all brackets. The recursion is never deeper than the sum.
	type level struct {
		operators int
		braces    bool
		loop      bool
	}
	levels := []level{{braces: true}}
	total, loops := 0, 0
	opened := false // a bracket, or a loop when the next word is for
	for _, token := range tokens {
		if opened && token.Type == hclsyntax.TokenIdent && string(token.Bytes) == "for" {
			levels[len(levels)-1].loop = true
			if loops++; loops > maxLoops {
				return hcl.Diagnostics{words.Problem(token.Range, "Loops nested too deep",
					"More than two for expressions are nested here, which takes too long. Put a part into locals, or use setproduct(…).")}
			}
		}
		opened = opened && (token.Type == hclsyntax.TokenNewline || token.Type == hclsyntax.TokenComment)
		top := &levels[len(levels)-1]
		switch token.Type {
		case hclsyntax.TokenNewline, hclsyntax.TokenComma:
			if top.braces || token.Type == hclsyntax.TokenComma {
				total -= top.operators
				top.operators = 0
			}
			continue
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			if len(levels) > 1 {
				total -= top.operators
				if top.loop {
					loops--
				}
				levels = levels[:len(levels)-1]
			}
			continue
		case hclsyntax.TokenNumberLit:
			if text := checkNumberLiteral(string(token.Bytes)); text != "" {
				return hcl.Diagnostics{words.Problem(token.Range, "Invalid number", "%s", text)}
			}
			continue
		case hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit, hclsyntax.TokenIdent:
			if text := words.CheckNormal(literalText(token)); text != "" {
				return hcl.Diagnostics{words.Problem(token.Range, "Text is not normal", "%s", text)}
			}
			continue
		case hclsyntax.TokenComment,
			hclsyntax.TokenOQuote, hclsyntax.TokenCQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenEqual, hclsyntax.TokenEOF:
			continue
		}
		top.operators++
		total++
		if total > maxOperators {
			return hcl.Diagnostics{words.Problem(token.Range, "Expression too long",
				"This expression has more than 10,000 operators. Split it, with the parts in locals.")}
		}
		switch token.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			levels = append(levels, level{braces: token.Type == hclsyntax.TokenOBrace})
			opened = token.Type == hclsyntax.TokenOBrace || token.Type == hclsyntax.TokenOBrack
			if len(levels) > maxDepth {
				return hcl.Diagnostics{words.Problem(token.Range, "Nesting too deep",
					"Brackets and template sequences are nested more than 128 deep here. Use fewer levels.")}
			}
		}
	}
	return nil
}

var unicodeRE = regexp.MustCompile(`\\(?:\\|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})`)

// literalText returns a piece of text as HCL reads it, as far as its Unicode escapes go.
func literalText(token hclsyntax.Token) string {
	if token.Type != hclsyntax.TokenQuotedLit {
		return string(token.Bytes)
	}
	return unicodeRE.ReplaceAllStringFunc(string(token.Bytes), func(escape string) string {
		n, err := strconv.ParseUint(escape[2:], 16, 32)
		if err != nil { // an escaped backslash
			return escape
		}
		return string(rune(n))
	})
}

// guardJSON refuses JSON that is unsafe to parse, and strings in it that are unsafe to parse as templates.
func guardJSON(src []byte, filename string) hcl.Diagnostics {
	depth, line, lineStart := 0, 1, 0
	at := func(start, end int) hcl.Range {
		return hcl.Range{
			Filename: filename,
			Start:    hcl.Pos{Line: line, Column: start - lineStart + 1, Byte: start},
			End:      hcl.Pos{Line: line, Column: end - lineStart + 1, Byte: end},
		}
	}
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\n':
			line, lineStart = line+1, i+1
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return hcl.Diagnostics{words.Problem(at(i, i+1), "Nesting too deep",
					"Objects and arrays are nested more than 128 deep here. Use fewer levels.")}
			}
		case c == '}' || c == ']':
			depth--
		case c == '"':
			end := stringEnd(src, i)
			if bad := guardJSONString(src[i:end]); bad != nil {
				return hcl.Diagnostics{words.Problem(at(i, end), bad.Summary, "%s", bad.Detail)}
			}
			i = end - 1
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(src) && strings.IndexByte("0123456789+-.eE", src[end]) >= 0 {
				end++
			}
			if text := checkNumberLiteral(string(src[i:end])); text != "" {
				return hcl.Diagnostics{words.Problem(at(i, end), "Invalid number", "%s", text)}
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the index behind the JSON string that starts at start. A string without an end ends with its line.
func stringEnd(src []byte, start int) int {
	for i := start + 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n':
			return i
		}
	}
	return len(src)
}

func guardJSONString(literal []byte) *hcl.Diagnostic {
	var s string
	if json.Unmarshal(literal, &s) != nil {
		return nil // what is no string is not parsed as a template either
	}
	if text := words.CheckNormal(s); text != "" {
		return &hcl.Diagnostic{Summary: "Text is not normal", Detail: text}
	}
	if !strings.Contains(s, "{") {
		return nil
	}
	return guardTemplate(s)
}

// guardTemplate refuses a template that is unsafe to parse; nil means that it is safe.
func guardTemplate(s string) *hcl.Diagnostic {
	tokens, _ := hclsyntax.LexTemplate([]byte(s), "", hcl.InitialPos)
	if diags := guardTokens(tokens); len(diags) > 0 {
		return diags[0]
	}
	return nil
}

var numberRE = regexp.MustCompile(`^[-+]?([0-9.]*)(?:[eE]([-+]?[0-9]+))?`)

// checkNumberLiteral returns what is wrong with the size of a number, or "".
func checkNumberLiteral(s string) string {
	m := numberRE.FindStringSubmatch(s)
	exponent, err := 0, error(nil)
	if m[2] != "" {
		exponent, err = strconv.Atoi(m[2])
	}
	if err != nil || exponent > maxExponent || exponent < -maxExponent || len(m[1]) > maxDigits {
		return "Numbers here have at most 64 digits and an exponent between -30 and 30. Write a smaller number."
	}
	return ""
}

// Limits of what one expression may make. They stop values that double with each step.
const (
	maxValueBytes    = 8 << 20
	maxValueElements = 100_000
)

// checkValue returns what is wrong with the size of a value, or "". It accepts marked and unknown values.
func checkValue(v cty.Value) string {
	v, _ = v.UnmarkDeep()
	bytes, elements := 0, 0
	var check func(v cty.Value, depth int) string
	check = func(v cty.Value, depth int) string {
		elements++
		if v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
			bytes += len(v.AsString())
		}
		if depth > maxDepth || elements > maxValueElements || bytes > maxValueBytes {
			return "This value is too large: it has more than 8 MiB of text, 100,000 elements or 128 levels. Make it smaller."
		}
		switch {
		case v.IsNull() || !v.IsKnown():
		case v.Type() == cty.Number:
			if hugeNumber(v.AsBigFloat()) {
				return "This number is larger than 10³⁰, or closer to zero than 10⁻³⁰. Use one of a usual size."
			}
		case v.CanIterateElements():
			for it := v.ElementIterator(); it.Next(); {
				_, element := it.Element()
				if text := check(element, depth+1); text != "" {
					return text
				}
			}
		}
		return ""
	}
	return check(v, 0)
}

func hugeNumber(f *big.Float) bool {
	exponent := f.MantExp(nil)
	return f.IsInf() || exponent > 130 || exponent < -130
}

package cli

// SGR sequences of ECMA-48.
const (
	bold  = "\x1b[1m"
	dim   = "\x1b[2m"
	red   = "\x1b[31m"
	reset = "\x1b[0m"
)

// paint wraps text in a style if color is set.
func paint(color bool, style, text string) string {
	if !color || text == "" {
		return text
	}
	return style + text + reset
}

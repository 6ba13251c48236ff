package escape

import (
	"errors"
	"strings"
)

// NFT returns s as a string in double quotes of an nft file (nft(8), "Lexical conventions"), for names of interfaces and
// comments. nft has no escapes inside the quotes, so a double quote is refused, and so are an empty string, a backslash,
// and an asterisk at the end, which would match every name that begins alike.
func NFT(s string) (string, error) {
	if err := value(s); err != nil {
		return "", err
	}
	if strings.ContainsAny(s, `"\`) {
		return "", errors.New(`it must not hold the characters " or \`)
	}
	if strings.HasSuffix(s, "*") {
		return "", errors.New("it must not end with an asterisk")
	}
	return `"` + s + `"`, nil
}

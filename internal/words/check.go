package words

import (
	"regexp"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Check returns what is wrong with a text, in a sentence or two that end in what to do, or "".
type Check func(string) string

// Matching makes a check, which repeats the text. The noun says what it should be; the rule follows the sentence that says
// that it is not.
func Matching(re *regexp.Regexp, noun, rule string) Check {
	return func(s string) string {
		if re.MatchString(s) {
			return ""
		}
		return Quote(s) + " is no " + noun + ". " + rule
	}
}

// CheckLine refuses control characters, newlines among them. It never repeats the text.
func CheckLine(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' }) {
		return "This text holds a control character or a newline. Remove it."
	}
	return ""
}

// CheckNormal refuses text that HCL would change without a word: it makes all text Unicode's normal form C (NFC), in which
// a letter with an accent is one character. It never repeats the text.
func CheckNormal(s string) string {
	if !norm.NFC.IsNormalString(s) {
		return "This text is not in Unicode's normal form C (NFC), the only one that HCL keeps: some character in it would silently become" +
			" another one. Write it in that form, as \"uconv -x nfc\" does."
	}
	return ""
}

var (
	packageRE = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$`)
	modeRE    = regexp.MustCompile(`^0?[0-7]{3,4}$`)
	ownerRE   = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}:[a-z_][a-z0-9_-]{0,31}$`)
)

// CheckPackage accepts what apt-get installs by name (Debian policy 5.6.1 and 5.6.12). A name does not end in a hyphen, which
// would have apt-get remove the package.
func CheckPackage(s string) string {
	return Matching(packageRE, "package", `Write a name like "nginx", if need be with "=" and a version, or ":" and an architecture.`)(s)
}

// CheckMode accepts the permission bits of a file in octal digits.
func CheckMode(s string) string {
	return Matching(modeRE, "file mode", `Write octal digits in quotes, like "0644".`)(s)
}

// CheckOwner accepts a user and a group by the rule of Debian's adduser, each of at most 32 bytes for utmp.
func CheckOwner(s string) string {
	return Matching(ownerRE, "owner", `Write user and group, like "root:root".`)(s)
}

// The forms in which lspci -Dnn shows the identity and the address of a PCI device. A bus has 32 slots.
var (
	pciIdentityRE = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{4}$`)
	pciAddressRE  = regexp.MustCompile(`^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$`)
)

// CheckPCIIdentity accepts vendor and product of a PCI device in lower-case hex.
func CheckPCIIdentity(s string) string {
	return Matching(pciIdentityRE, "identity of a PCI device", `Write vendor and product like "8086:2723".`)(s)
}

// CheckPCIAddress accepts the address of a PCI device in lower-case hex.
func CheckPCIAddress(s string) string {
	return Matching(pciAddressRE, "address of a PCI device", `Write one like "0000:03:00.0".`)(s)
}

package plan

import (
	"cmp"
	"fmt"
	"strings"
)

// Kind says what sort of object an address names.
type Kind string

// The kinds, in the order in which a plan lists them.
const (
	KindPool    Kind = "pool"
	KindImage   Kind = "image"
	KindNetwork Kind = "network"
	KindFilter  Kind = "filter"
	KindVolume  Kind = "volume"
	KindGuest   Kind = "guest"
)

var kindOrder = map[Kind]int{KindPool: 0, KindImage: 1, KindNetwork: 2, KindFilter: 3, KindVolume: 4, KindGuest: 5}

// Addr names an object the way people and files do: "guest.web", "volume.web.data".
// It is not the name on the host; that is Resource.Host.
type Addr struct {
	Kind Kind
	Name string
}

// String returns the address as it is shown and typed.
func (a Addr) String() string { return string(a.Kind) + "." + a.Name }

// Compare orders addresses by kind, in the order of the constants, then by name.
func (a Addr) Compare(b Addr) int {
	return cmp.Or(cmp.Compare(kindOrder[a.Kind], kindOrder[b.Kind]), cmp.Compare(a.Name, b.Name))
}

// ParseAddr reads an address as it is typed: "guest.web", "volume.web.data". The error says what an address looks like.
func ParseAddr(text string) (Addr, error) {
	kind, name, ok := strings.Cut(text, ".")
	if _, known := kindOrder[Kind(kind)]; !ok || !known || name == "" {
		return Addr{}, fmt.Errorf("%q is not an address: write a kind and a name, such as guest.web, network.lan or volume.web.data", text)
	}
	return Addr{Kind(kind), name}, nil
}

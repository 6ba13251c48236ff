// Package wire makes Ethernet frames by hand, so that a test can send some that are as wrong as a hostile guest's would be.
// Only tests use it.
package wire

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Ethernet makes a frame of an EtherType.
func Ethernet(dst, src []byte, kind uint16, payload []byte) []byte {
	frame := append(append([]byte{}, dst...), src...)
	return append(binary.BigEndian.AppendUint16(frame, kind), payload...)
}

// IP makes an IPv4 or IPv6 packet, by the family of its addresses.
func IP(src, dst string, proto byte, ttl byte, payload []byte) []byte {
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if from.Is6() {
		b := []byte{0x60, 0, 0, 0}
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, proto, ttl)
		b = append(append(b, from.AsSlice()...), to.AsSlice()...)
		return append(b, payload...)
	}
	b := []byte{0x45, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(20+len(payload)))
	b = append(b, 0x12, 0x34, 0x40, 0, ttl, proto, 0, 0) // do not fragment
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, payload...)
}

// Sum puts the checksum of a transport protocol to its place, and returns the same bytes.
func Sum(src, dst string, proto byte, at int, b []byte) []byte {
	from, to := netip.MustParseAddr(src), netip.MustParseAddr(dst)
	if proto == unix.IPPROTO_ICMP {
		binary.BigEndian.PutUint16(b[at:], checksum(b))
		return b
	}
	pseudo := append(append([]byte{}, from.AsSlice()...), to.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(b)))
	pseudo = append(pseudo, 0, 0, 0, proto)
	binary.BigEndian.PutUint16(b[at:], checksum(append(pseudo, b...)))
	return b
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i]) << 8
		if i+1 < len(b) {
			sum += uint32(b[i+1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// UDP makes a datagram of IPv4 or IPv6.
func UDP(src, dst string, from, to uint16, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(append(b, 0, 0), data...)
	return IP(src, dst, unix.IPPROTO_UDP, 64, Sum(src, dst, unix.IPPROTO_UDP, 6, b))
}

// Flags of TCP.
const (
	SYN = 0x02
	ACK = 0x10
)

// TCP makes a segment without options in a packet of IPv4 or IPv6.
func TCP(src, dst string, from, to uint16, flags byte, data string) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	b = append(b, data...)
	return IP(src, dst, unix.IPPROTO_TCP, 64, Sum(src, dst, unix.IPPROTO_TCP, 16, b))
}

// Ping makes an echo request of ICMP or ICMPv6.
func Ping(src, dst string, data string) []byte {
	kind, proto := byte(8), byte(unix.IPPROTO_ICMP)
	if netip.MustParseAddr(dst).Is6() {
		kind, proto = 128, unix.IPPROTO_ICMPV6
	}
	b := append([]byte{kind, 0, 0, 0, 0, 1, 0, 1}, data...)
	return IP(src, dst, proto, 64, Sum(src, dst, proto, 2, b))
}

// ARPRequest asks who has an address.
func ARPRequest(mac []byte, src, dst string) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, 1}
	b = append(append(b, mac...), netip.MustParseAddr(src).AsSlice()...)
	return append(append(b, 0, 0, 0, 0, 0, 0), netip.MustParseAddr(dst).AsSlice()...)
}

// RouterAdvertisement is what a router says that offers itself and a prefix.
func RouterAdvertisement(src, prefix string) []byte {
	b := []byte{134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}
	b = append(b, 3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0)
	b = append(b, netip.MustParseAddr(prefix).AsSlice()...)
	return IP(src, "ff02::1", unix.IPPROTO_ICMPV6, 255, Sum(src, "ff02::1", unix.IPPROTO_ICMPV6, 2, b))
}

// Package topology proves, on a site alone, that what must leave through a tunnel can leave in no other way.
//
// # The graph
//
// Networks are the nodes and a [Link] is one step that packets can take: a guest passes them on from one of its network
// cards, or the host does, through the gateway of a network with NAT or over a bridge. Networks on one bridge of the host
// are one network, whatever their names.
//
// A network is inside when a guest forwards from it into a tunnel of its own. Confined is every guest with a card on an
// inside network, but for the guest that forwards from there into its tunnel; every guest whose role says so; and every
// image that is baked on an inside network.
//
// # What is assumed
//
// A role is believed: on the interfaces that its forwards and tunnels name, its guest does what they say and nothing
// else. That the files of a role, and what else the site has such a guest do, keep to it is for its own rules, its guard
// and the filters of the host.
//
// Of everything else the worst is assumed. A guest passes anything on to a card, an outside interface or a device that
// its role does not name, so a guest without a role between two networks joins them. What comes in by a card that a role
// names is not passed on so, but from an inside network it is: a gateway has no second way out. A PCI device is a way out
// unless the role has an outside interface for it. A forward for tunnels alone stops nobody but the guest whose tunnel it
// serves, since anybody else on that network can send packets that look the same. Neither isolated ports nor the filters
// of the host are counted on: they are guards of their own.
//
// # The proof
//
// From every confined guest, and from every inside network as if somebody unknown were on it, all steps are walked. What
// reaches the outside before it went into a tunnel is a [Problem] that shows the whole path. What went into a tunnel is
// safe from there on, wherever it goes and whoever carries it.
package topology

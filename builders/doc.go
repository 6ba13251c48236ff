// Package builders turns a site into the resources that it is made of, and what libvirt says into the same terms.
//
// One direction is [Build]: a [config.Site] becomes plan resources with their libvirt XML, seeds included. The other is
// [Observe]: an inventory of libvirt XML becomes a [plan.Actual]. Both speak of the same attributes, so that observing
// what was built, or what was edited, gives what was wanted. [Plan] ties them together.
//
// XML that jeos makes is written with libvirtxml, but for filters, whose rules are the same lists of fields to all here. XML
// that libvirt holds is read and edited as an element tree, because a user's own additions, and elements that no Go struct
// knows, must survive an edit. The builder, the reader and the
// editor of an element are neighbours in one file. The formats are those of https://libvirt.org/format.html.
//
// Everything here is pure: no network, no libvirt, no clock. Only opening the content of an image reads a file.
package builders

package imagestest

// Fault is something that is wrong with a publisher.
type Fault string

const (
	Portal           Fault = "portal"            // every answer is a web page, as from a captive portal
	Truncated        Fault = "truncated"         // image files have half their bytes
	OtherContent     Fault = "other content"     // image files are as long as they should be, and others
	BadSignature     Fault = "bad signature"     // what is signed is changed afterwards
	ExpiredSignature Fault = "expired signature" // of nine days ago, good for a day
	ExpiredKey       Fault = "expired key"       // the key in the keyring ended yesterday
	RevokedKey       Fault = "revoked key"       // the key in the keyring is revoked
	UnknownKey       Fault = "unknown key"       // another key signs
	Unsigned         Fault = "unsigned"          // nothing is signed
	WeakHash         Fault = "weak hash"         // signatures are over a SHA-1
	Gone             Fault = "gone"              // image files are not there any more
	OtherIndex       Fault = "other index"       // the index is of a format of the future
	OtherProducts    Fault = "other products"    // and so are the products
	MixedUp          Fault = "mixed up"          // where the products should be are others, also signed
)

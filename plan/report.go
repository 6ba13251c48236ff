package plan

// Report is what a guest says of itself, one JSON line every two seconds on the virtio-serial port
// "org.jeos.report.0". The service that writes it is part of the seed.
type Report struct {
	Version   int      `json:"version"`    // of this format: 1
	Sequence  int64    `json:"sequence"`   // counts from 1 at each start of the service
	BootID    string   `json:"boot_id"`    // /proc/sys/kernel/random/boot_id
	Uptime    float64  `json:"uptime"`     // seconds
	CloudInit string   `json:"cloud_init"` // "running", "done", "error" or "disabled"
	Stage     string   `json:"stage"`      // cloud-init's stage while it runs: "init-local", "modules-final"
	Errors    []string `json:"errors"`     // cloud-init's and jeos's own
	HostKeys  []string `json:"host_keys"`  // ssh host keys, one public key line each
	Addresses []string `json:"addresses"`  // "lan 10.64.0.2/24"
	Hostname  string   `json:"hostname"`
	Guard     *Check   `json:"guard"`  // whether the guest's own rules are as they should be; nil: it has none
	Probes    []Check  `json:"probes"` // by name
}

// Check is what a guest found out about itself. It is seldom older than half a minute; before the first look it is not OK.
type Check struct {
	Name string `json:"name,omitempty"` // empty for the guard
	OK   bool   `json:"ok"`
	Text string `json:"text"` // one line for people, at most 200 characters; may be empty
}

// Ready reports whether the guest has done all that its seed asks for and its guard, if it has one, is closed. A guest
// whose cloud-init ended in an error is finished but not ready; see Failed. What its probes say does not count.
func (r *Report) Ready() bool {
	return r.CloudInit == "done" && len(r.Errors) == 0 && (r.Guard == nil || r.Guard.OK)
}

// FailedProbe returns the first probe that does not succeed, nil when all do.
func (r *Report) FailedProbe() *Check {
	for i := range r.Probes {
		if !r.Probes[i].OK {
			return &r.Probes[i]
		}
	}
	return nil
}

// Failed reports whether cloud-init has ended in an error, so that waiting longer changes nothing.
func (r *Report) Failed() bool {
	return r.CloudInit == "error" || r.CloudInit == "done" && len(r.Errors) > 0
}

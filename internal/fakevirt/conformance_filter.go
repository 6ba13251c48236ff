package fakevirt

import (
	"slices"
	"strings"

	"jeos/plan"
)

// filters puts a filter to work on the card of a guest, takes it off and puts it back.
func (s *suite) filters() {
	const ref = "<filterref filter='conf.filter'/>"
	card := "<interface type='ethernet'><mac address='52:54:00:c0:0f:01'/><model type='virtio'/>" + ref + "</interface>"
	guest := plan.Step{Host: "conf-guest", UUID: confGuest, XML: strings.Replace(guestXML("conf-guest"), "<devices>", "<devices>"+card, 1), On: true}
	do := func(verb plan.Verb) { step := guest; step.Verb = verb; s.do(step) }
	do(plan.DefineGuest)
	start := guest
	start.Verb = plan.StartGuest
	if err := s.hv.Do(s.t.Context(), start, nil); err == nil {
		s.t.Error("a guest started without its filter")
	}
	filter := plan.Step{
		Verb: plan.DefineFilter, Host: "conf.filter", UUID: confFilter,
		XML: "<filter name='conf.filter' chain='root'><uuid>" + confFilter + "</uuid><rule action='drop' direction='inout' priority='1000'><mac/></rule></filter>",
	}
	s.do(filter)
	if xml := s.filterXML(); !strings.Contains(xml, "drop") {
		s.t.Errorf("a defined filter is %q", xml)
	}
	do(plan.StartGuest)
	s.mustBind("a guest starts", 1)
	filter.XML = strings.Replace(filter.XML, "'drop'", "'accept'", 1)
	s.do(filter)
	if xml := s.filterXML(); !strings.Contains(xml, "accept") {
		s.t.Errorf("a filter that was defined again is %q", xml)
	}
	undefine := plan.Step{Verb: plan.UndefineFilter, Host: "conf.filter", UUID: confFilter}
	if err := s.hv.Do(s.t.Context(), undefine, nil); err == nil {
		s.t.Error("a filter was removed that is at work")
	}

	live := oneCard.FindString(s.liveXML())
	update := plan.Step{Verb: plan.UpdateDevice, Host: "conf-guest", UUID: confGuest}
	update.XML = strings.Replace(live, ref, "", 1)
	s.do(update)
	s.mustBind("the filter was taken off", 0)
	update.XML = live
	s.do(update)
	s.mustBind("the filter was put back", 1)
	do(plan.StopGuest)
	s.mustBind("the guest is off", 0)
	s.do(update)
	do(plan.UndefineGuest)
	s.do(undefine)
	if xml := s.filterXML(); xml != "" {
		s.t.Errorf("an undefined filter is still there: %s", xml)
	}
}

func (s *suite) filterXML() string {
	s.t.Helper()
	for _, f := range s.inventory().Filters {
		if f.UUID == confFilter && f.Name == "conf.filter" {
			return f.XML
		}
	}
	return ""
}

func (s *suite) liveXML() string {
	s.t.Helper()
	for _, d := range s.inventory().Domains {
		if d.UUID == confGuest {
			return d.LiveXML
		}
	}
	return ""
}

// mustBind checks at how many ports the filter is at work, each of which is one of the guest's.
func (s *suite) mustBind(after string, want int) {
	s.t.Helper()
	bindings := slices.DeleteFunc(s.inventory().Bindings, func(b plan.HostBinding) bool { return b.Filter != "conf.filter" })
	if len(bindings) != want || want > 0 && named(cardPort, s.liveXML()) != bindings[0].Port {
		s.t.Errorf("after %s the filter is at work at %v, want %d ports", after, bindings, want)
	}
}

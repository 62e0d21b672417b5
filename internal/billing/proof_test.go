package billing

import (
	"testing"
	"time"
)

// P10: one answer that can't be true is enough, and silence proves nothing.
func TestP10JudgeTest(t *testing.T) {
	t.Parallel()
	says := func(f Finding) TestAnswer { return TestAnswer{InvoiceID: "7", Found: Found{Finding: f, Told: true}} }
	silent := TestAnswer{InvoiceID: "8", Found: Found{Reason: "HTTP 503"}}
	begun := says(Acted)
	begun.Begun = true
	for name, c := range map[string]struct {
		answers    []TestAnswer
		held, told bool
	}{
		"absent":             {[]TestAnswer{says(Absent), says(Absent), says(Absent)}, true, true},
		"unknown by a rule":  {[]TestAnswer{says(UnknownFinding)}, true, true},
		"some silent":        {[]TestAnswer{silent, says(Absent), silent}, true, true},
		"one acted":          {[]TestAnswer{says(Absent), says(Acted), says(Absent)}, false, true},
		"one refused":        {[]TestAnswer{says(Absent), says(RefusedFinding)}, false, true},
		"one of another day": {[]TestAnswer{says(Absent), says(Finding(99))}, false, true},
		"begun meanwhile":    {[]TestAnswer{begun, says(Absent)}, true, true},
		"all begun":          {[]TestAnswer{begun}, true, false},
		"all silent":         {[]TestAnswer{silent}, true, false},
		"none":               {nil, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, told := JudgeTest("s", c.answers)
			if told != c.told || got.Held != c.held || got.Held != (got.Why == "") || got.Settings != "s" {
				t.Errorf("%+v, %t", got, told)
			}
		})
	}
}

// P10: the first control that tells decides, and no more than four are asked about.
func TestP10JudgeControls(t *testing.T) {
	t.Parallel()
	const u = UnknownFinding
	for name, c := range map[string]struct {
		found    []Finding
		more, ok bool
	}{
		"none":          {nil, true, true},
		"acted":         {[]Finding{Acted}, false, true},
		"refused":       {[]Finding{RefusedFinding}, false, true},
		"absent":        {[]Finding{Absent}, false, false},
		"unknown":       {[]Finding{u}, true, false},
		"then acted":    {[]Finding{u, Acted}, false, true},
		"then absent":   {[]Finding{u, Absent}, false, false},
		"three unknown": {[]Finding{u, u, u}, true, false},
		"four unknown":  {[]Finding{u, u, u, u}, false, false},
	} {
		var answers []ControlAnswer
		for _, f := range c.found {
			answers = append(answers, ControlAnswer{"7", Found{Finding: f}})
		}
		if more, why := JudgeControls(answers); more != c.more || (why == "") != c.ok {
			t.Errorf("%s: %t, %q", name, more, why)
		}
	}
	if more, why := JudgeControls([]ControlAnswer{{"7", Found{Throttled: true}}}); more || why == "" {
		t.Errorf("throttled: %t, %q", more, why)
	}
}

func TestRipeControls(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := func(id InvoiceID, age time.Duration) Control { return Control{InvoiceID: id, At: now.Add(-age)} }
	ripe, soon := RipeControls([]Control{at("old", time.Hour), at("young", 20*time.Second), at("ripe", time.Minute), at("new", 0)}, 30*time.Second, now)
	if len(ripe) != 2 || ripe[0].InvoiceID != "ripe" || ripe[1].InvoiceID != "old" || soon != 10*time.Second {
		t.Errorf("%+v, %s", ripe, soon)
	}
	if ripe, soon := RipeControls(nil, time.Second, now); len(ripe) != 0 || soon != 0 {
		t.Errorf("%+v, %s", ripe, soon)
	}
}

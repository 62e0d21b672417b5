package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/book"
	"github.com/billonce/billonce/internal/doctor"
)

// One mistake is one line, whatever it spoils; what PostgreSQL points at stands below it.
func TestOneMistakeIsOneLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql                 string
		change              func(*doctor.Subject)
		check, seen, remedy string
	}{
		"predicate":      {"", with(func(s *book.Settings) { s.Pending = "pending and custmer = 'x'" }), "ledger", "\n    pending and custmer = 'x'\n                ^\n", "Correct INVOICES_PENDING"},
		"assignment":     {"", with(func(s *book.Settings) { s.MarkSent = "pending = false, sentat = now()" }), "ledger", "\n    pending = false, sentat = now()\n                     ^", "Correct INVOICES_MARK_SENT"},
		"key":            {"", with(func(s *book.Settings) { s.ID = "number" }), "ledger", `"invoices" has no column "number"`, "Correct INVOICES_TABLE"},
		"no ledger":      {"", with(func(s *book.Settings) { s.Schema = "nowhere" }), "ledger", "missing", "\n    batch migrate"},
		"key not unique": {"alter table invoices drop constraint invoices_pkey; insert into invoices overriding system value select * from invoices where id = 1", nil, "ledger", "have the id 1", "group by 1"},
		"rights": {
			"", func(s *doctor.Subject) {
				cfg := s.Main.Copy()
				execute(t, cfg.ConnString(), "do $$ begin create role rightless login password 'rightless'; exception when duplicate_object then end $$")
				cfg.User, cfg.Password = "rightless", "rightless"
				s.Main, s.Lock = cfg, cfg
			}, "rights", "role rightless lacks: ", "\n    batch migrate --role rightless",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := patient(t)
			if c.sql != "" {
				execute(t, url, c.sql)
			}
			found := examine(t, url, c.change)
			var wrong []string
			for check, f := range found {
				if f.Verdict != doctor.OK {
					wrong = append(wrong, check)
				}
			}
			f := found[c.check]
			if !slices.Equal(wrong, []string{c.check}) || !strings.Contains(f.Seen, c.seen) || !strings.Contains(f.Seen, "\nNot examined because of it: ") || !strings.Contains(f.Remedy, c.remedy) {
				t.Errorf("%v; %+v", wrong, found)
			}
		})
	}
}

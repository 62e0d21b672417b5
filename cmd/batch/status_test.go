package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/advisory"
	"github.com/billonce/billonce/internal/billing/billingfake"
	books "github.com/billonce/billonce/internal/billing/book"
)

// screen is a terminal that somebody leaves after so many pages.
type screen struct {
	strings.Builder
	pages int
	leave context.CancelFunc
}

// Write implements io.Writer: each page comes in one.
func (s *screen) Write(p []byte) (int, error) {
	if s.pages--; s.pages == 0 {
		s.leave()
	}
	return s.Builder.Write(p)
}

// --watch shows page after page in place, and its interruption is no error.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	b := newBook(t, 3, billingfake.Config{})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	out := &screen{pages: 2, leave: leave}
	c := settings{book: books.Demo()}
	c.RunName = "invoices"
	read := func() (string, error) { return statusPage(ctx, c, &database{main: b.config()}, statusFlags{}) }
	if err := watch(ctx, out, time.Millisecond, terminalSize, read); err != nil {
		t.Fatal(err)
	}
	pages := strings.Split(out.String(), clearBelow)
	if len(pages) != 3 || !strings.HasPrefix(pages[0], clearAndHome) || !strings.HasPrefix(pages[1], cursorHome+"Invoices") {
		t.Fatalf("%q", pages)
	}
	for _, page := range pages[:2] {
		if !regexp.MustCompile(`Invoices +pending +3\x1b\[K\n`).MatchString(page) {
			t.Errorf("%q", page)
		}
	}
}

// The database goes away for a page, and comes back.
func TestStatusWatchOutlivesTheDatabase(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	out := &screen{pages: 3, leave: leave}
	reads := 0
	err := watch(ctx, out, time.Millisecond, terminalSize, func() (string, error) {
		if reads++; reads == 2 {
			return "", errors.New("connect: connection\nrefused")
		}
		return fmt.Sprintf("page %d\n", reads), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := strings.Split(out.String(), clearBelow)
	if len(pages) != 4 || !regexp.MustCompile(`As of \d\d:\d\d:\d\d; looking again: connect: connection refused\x1b\[K\npage 1\x1b\[K\n$`).MatchString(pages[1]) ||
		pages[2] != cursorHome+"page 3"+clearLine {
		t.Errorf("%q", pages)
	}
	// What was never seen is no page that could stay.
	err = watch(t.Context(), out, time.Millisecond, terminalSize, func() (string, error) { return "", context.DeadlineExceeded })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		page          string
		width, height int
		want          string
	}{
		"it fits":          {"ab\ncd\n", 2, 3, "ab\ncd\n"},
		"too long":         {"äbc\ncd\n", 2, 3, "ä…\ncd\n"},
		"too many":         {"a\nb\nc\n", 80, 3, "a\n… 2 more lines: make the terminal higher, or run `batch status`\n"},
		"one line":         {"a\nb\nc\n", 5, 2, "… 3 …\n"},
		"size not known":   {"abc\nb\nc\n", 0, 0, "abc\nb\nc\n"},
		"no room for much": {"abc\nb\n", 1, 3, "…\nb\n"},
	} {
		if got := fit(c.page, c.width, c.height); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Today began at the midnight of the session's time zone, as current_date does in
// INVOICES_PENDING; the page says which that is.
func TestStatusTodayIsTheSessionsDay(t *testing.T) {
	t.Parallel()
	s := newShop(t, "create table invoices (id int primary key, due_date date, pending bool default true, sent_at timestamptz); insert into invoices values (1), (2)",
		"BILLING_URL="+newServer(t, nil).URL+"/{id}", "INVOICES_PENDING=pending and due_date <= current_date")
	early, late := zoneAt(0), zoneAt(22)
	s.sql("update invoices set due_date = (now() at time zone '" + early + "')::date where id = 1; update invoices set due_date = (now() at time zone '" + early + "')::date + 1 where id = 2")
	in := func(zone string) { s.set("DATABASE_URL=" + s.url + "&timezone=" + url.QueryEscape(zone)) }
	in(early)
	s.batch(0, "migrate")
	s.batch(0, "run")
	s.sql("update billonce.deliveries set updated_at = now() - interval '2 hours'")
	s.says("1  today 0 ("+early+")\n", "status")
	in(late)
	s.says("1  today 1 ("+late+")\n", "status")
	s.says(`"time_zone": "`+late+`"`, "status", "--json")
}

// zoneAt is a time zone in which it is this hour now.
func zoneAt(hour int) string {
	east := hour - time.Now().UTC().Hour()
	switch {
	case east > 14:
		east -= 24
	case east < -12:
		east += 24
	}
	return fmt.Sprintf("Etc/GMT%+d", -east) // POSIX has them the other way round
}

// A role that may read the tables, and no more, is told all but what PostgreSQL
// keeps from it: since when another role's session is there.
func TestStatusForAnotherRole(t *testing.T) {
	t.Parallel()
	s := newShop(t, twenty, "BILLING_URL=http://localhost/{id}")
	s.batch(0, "migrate")
	role := "operator_of_" + s.ask("select current_database()")
	s.sql("create role " + role + " login password 'x'; grant usage on schema billonce to " + role +
		"; grant select on all tables in schema billonce to " + role + "; grant select on invoices to " + role)
	t.Cleanup(func() { s.sql("drop owned by " + role + "; drop role " + role) })
	key := advisory.NewRunKey("invoices")
	holder := s.connect()
	defer holder.Close(context.Background())
	if _, err := holder.Exec(t.Context(), "select pg_advisory_lock($1, $2)", key.Class, key.Object); err != nil {
		t.Fatal(err)
	}
	s.says(fmt.Sprintf("held by a nameless application (process %d, since 2", holder.PgConn().PID()), "status")
	s.set("DATABASE_URL=" + roleURL(t, s.url, role, "x"))
	s.says(fmt.Sprintf("held by a nameless application (process %d), ExclusiveLock\n", holder.PgConn().PID()), "status")
}

func TestWatchTakesItsIntervalBehindABlank(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want time.Duration
		bad  bool
	}{
		{[]string{"--watch"}, watchInterval, false},
		{[]string{"--watch", "10s"}, 10 * time.Second, false},
		{[]string{"--watch=10s"}, 10 * time.Second, false},
		{[]string{"--watch=10s", "10s"}, 0, true},
		{[]string{"10s"}, 0, true},
	} {
		var f statusFlags
		cmd := &cobra.Command{}
		cmd.Flags().DurationVar(&f.watch, "watch", 0, "")
		cmd.Flags().Lookup("watch").NoOptDefVal = watchInterval.String()
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		if err := f.watchEvery(cmd, cmd.Flags().Args()); (err != nil) != c.bad || !c.bad && f.watch != c.want {
			t.Errorf("%v: %s, %v", c.args, f.watch, err)
		}
	}
}

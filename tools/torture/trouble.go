package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// refusals are the invoices that a trigger refuses to mark.
const refusals = `create table refused (id bigint primary key);
	create function refuse() returns trigger language plpgsql as $$ begin
		if not new.pending and exists (select from refused where id = new.id) then raise exception 'closed period'; end if;
		return new; end $$;
	create trigger refuse before update on invoices for each row execute function refuse()`

const moreInvoices = `insert into invoices (customer, amount_cents, currency, due_date)
	select customer, amount_cents, currency, due_date from invoices order by id limit 200 returning id`

// heldByTrouble: what trouble happens to holds back the later ones of its account.
const heldByTrouble = `exists (select from invoices l
	where l.customer = i.customer and l.customer like 'Account %' and l.id < i.id and l.pending)`

const (
	troubledMost = 4 // invoices to which one trouble happens
	headMost     = 8 // invoices at the head that the API never answers as it should
)

// some are a few of the ids.
func some(rng *rand.Rand, of []int64) []int64 {
	ids := make([]int64, 1+rng.IntN(troubledMost))
	for n := range ids {
		ids[n] = of[rng.IntN(len(of))]
	}
	return ids
}

// seeded are the ids of the round's first invoices.
func (r *round) seeded() []int64 {
	ids := make([]int64, r.Invoices)
	for n := range ids {
		ids[n] = int64(n + 1)
	}
	return ids
}

// holdRows has an application hold rows for a while.
func holdRows(ctx context.Context, r *round, _ int, rng *rand.Rand) (bool, error) {
	ids, d := some(rng, r.seeded()), time.Duration(rng.IntN(3000))*time.Millisecond
	r.background(func() error {
		_ = r.testbed.askOnce(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
			if err := hold(ctx, conn, ids); err != nil {
				return err
			}
			return sleep(ctx, d)
		})
		return nil
	})
	return true, nil
}

func hold(ctx context.Context, conn *pgx.Conn, ids []int64) error {
	// What some rounds set for the database would end the holder before any run meets it.
	_, err := conn.Exec(ctx, "set idle_in_transaction_session_timeout = 0; begin")
	if err == nil {
		_, err = conn.Exec(ctx, "select from invoices where id = any ($1) for update", ids)
	}
	return err
}

// refuseMarks has a trigger refuse to mark invoices for a while.
func refuseMarks(ctx context.Context, r *round, _ int, rng *rand.Rand) (bool, error) {
	ids, d := some(rng, r.seeded()), time.Duration(rng.IntN(3000))*time.Millisecond
	if err := r.refuse(ctx, ids); err != nil {
		return false, nil //nolint:nilerr // another fault has taken the database away
	}
	r.background(func() error {
		_ = sleep(ctx, d)
		return r.testbed.execute(context.WithoutCancel(ctx), r.database, "delete from refused")
	})
	return true, nil
}

func (r *round) refuse(ctx context.Context, ids []int64) error {
	return r.testbed.askOnce(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "insert into refused select unnest($1::bigint[]) on conflict do nothing", ids)
		return err
	})
}

// takeConnections leaves the server none for a while.
func takeConnections(ctx context.Context, r *round, _ int, rng *rand.Rand) (bool, error) {
	d := time.Duration(rng.IntN(1500)) * time.Millisecond
	r.background(func() error {
		var taken []*pgx.Conn
		for len(taken) < maxConnections {
			conn, err := pgx.Connect(ctx, r.testbed.server.URL(r.database)+"&application_name="+application)
			if err != nil {
				break
			}
			taken = append(taken, conn)
		}
		_ = sleep(ctx, d)
		for _, conn := range taken {
			_ = conn.Close(context.WithoutCancel(ctx)) // it served its purpose
		}
		return nil
	})
	return true, nil
}

// troubledRun is a run while some invoices can't be sent or marked, whatever it does: it
// must send all others.
func (r *round) troubledRun(ctx context.Context, rng *rand.Rand) (err error) {
	var anew []int64
	err = r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) (err error) {
		anew, err = collect[int64](ctx, conn, moreInvoices)
		return err
	})
	if err != nil {
		return err
	}
	held, refused, head := some(rng, anew), some(rng, anew), anew[:1+rng.IntN(headMost)]
	conn, err := pgx.Connect(ctx, r.testbed.server.URL(r.database)+"&application_name="+application)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if err := errors.Join(hold(ctx, conn, held), r.refuse(ctx, refused)); err != nil {
		return err
	}
	r.judge.first.Store(head[0])
	r.judge.last.Store(head[len(head)-1])
	defer r.judge.last.Store(0)
	p, err := r.start("troubled", 0, "RUN_LOCK=shared", "LINGER=1s", "DATABASE_URL="+r.testbed.server.URL(r.database))
	if err != nil {
		return err
	}
	if err := r.awaitEnds(ctx, p); err != nil {
		return err
	}
	r.noteExit(ctx, p)
	var others []string
	err = r.testbed.ask(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) (err error) {
		others, err = collect[string](ctx, conn, unsettledOf+" and i.id <> all ($1) and not "+heldByTrouble, slices.Concat(held, refused, head))
		return err
	})
	if len(others) > 0 {
		_, _, raw := p.exit()
		r.violate("P8: %d invoices that nothing was wrong with were not sent, %s among them, beside those that were held (%v), refused to be marked (%v), or the head that fails (%v): %s",
			len(others), others[0], held, refused, head, raw)
	}
	return errors.Join(err, r.testbed.execute(ctx, r.database, "delete from refused"))
}

// tooFewConnections says whether a run was refused since the server had none left for it.
func tooFewConnections(code, raw string) bool {
	return code == "5" && strings.Contains(raw, "A run needs") && strings.Contains(raw, "connections to the database")
}

// headFails says whether an invoice is at the head that the API never answers.
func (j *judge) headFails(invoice string) bool {
	id, err := strconv.ParseInt(invoice, 10, 64)
	return err == nil && id >= j.first.Load() && id <= j.last.Load()
}

const maxConnections = 100

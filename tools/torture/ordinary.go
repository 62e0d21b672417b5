package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// In an ordinary round nothing worse happens than to any business, beside the other
// faults: rows change between attempts, settings change between runs, and the look-up
// lies until it is mended.

func ordinaryFaults() []fault {
	return []fault{
		{"rows_change", 12, changeRows},
		{"settings_change", 6, changeSettings},
	}
}

// Those that a request was made for first: a change of theirs is what matters.
const changeQuery = `
	update invoices set customer = customer || '~', amount_cents = amount_cents + 1 where id in (
		select i.id from invoices i left join billonce.deliveries d on d.invoice_id = i.id
		where i.pending order by d.state is null, d.state = 'in_doubt', random() limit $1
		for no key update of i skip locked)`

func changeRows(ctx context.Context, r *round, _ int, rng *rand.Rand) (struck bool, err error) {
	err = r.testbed.askOnce(ctx, r.database, func(ctx context.Context, conn *pgx.Conn) error {
		changed, err := conn.Exec(ctx, changeQuery, 1+rng.IntN(60))
		struck = changed.RowsAffected() > 0
		return err
	})
	if err != nil {
		return false, nil //nolint:nilerr // another fault has taken the database away
	}
	return struck, nil
}

// changeSettings is a release: what starts from now on has other settings.
func changeSettings(_ context.Context, r *round, _ int, _ *rand.Rand) (bool, error) {
	r.release.Add(1)
	return true, nil
}

// ordinarySettings are those of the newest release. A key's short life makes an intent's
// short: what a killed runner left, and a repeat of which is another request by now, is in
// doubt as the last run ends.
func (r *round) ordinarySettings() []string {
	if !r.Ordinary {
		return nil
	}
	url, body, method := "/v1/invoices/{id}/send", "row", "POST"
	switch r.release.Load() % 4 {
	case 1:
		body = `{"invoice": {{.id}}, "to": {{json .customer}}, "amount": {{.amount_cents}}}`
	case 2:
		url = "/v2/invoices/{id}/send"
	case 3:
		method = "PUT"
	}
	return []string{
		"BILLING_URL=" + r.judge.server.URL() + url, "BILLING_BODY=" + body, "BILLING_METHOD=" + method,
		"BILLING_IDEMPOTENCY_TTL=2m", "RUN_CANARY=0",
	}
}

// lookUps lie until the last run: the URL was misspelt, or leads to a log-in.
func (j *judge) lookUps(c setting) billingfake.Lookup {
	if !c.Ordinary {
		return nil
	}
	lies := []billingfake.Lookup{billingfake.LookupAlways404, billingfake.LookupAlways200}[c.Seed/8%2]
	return billingfake.LookupUntil(j.mended.Load, lies)
}

// tellApart notes a request that differs from the invoice's others, as P9 has it.
func (j *judge) tellApart(r billingfake.Received) {
	path, _, _ := strings.Cut(r.Path, "?")
	which := sha256.Sum256(fmt.Appendf(nil, "%s %s\n%s", r.Method, path, r.Body))
	if j.distinct[r.Invoice] == nil {
		j.distinct[r.Invoice] = map[[sha256.Size]byte]struct{}{}
	}
	j.distinct[r.Invoice][which] = struct{}{}
}

// checkSame: a repeat is the same request. Another one is right only after a reply that
// says that nothing was done, or a look-up that has held.
func (r *round) checkSame(f fate, wrong func(format string, args ...any)) {
	switch n, may := len(r.judge.distinct[f.id]), 1+r.judge.unbilled[f.id]; {
	case len(f.api.Keys) > 1:
		wrong("its requests had %d keys", len(f.api.Keys))
	case !r.Ordinary && len(f.api.Bodies) > 1:
		wrong("its requests had %d bodies", len(f.api.Bodies))
	case !r.Lookup && n > may:
		wrong("P9: %d different requests were made, after %d replies of 429 or 307", n, may-1)
	}
}

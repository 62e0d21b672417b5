package pgstore_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/engine"
	"github.com/billonce/billonce/internal/billing/pgstore"
)

// deafWay is a way to the database on which replies get lost when the test says
// so: what was asked is done, and its fate unknown until the connection is cut.
type deafWay struct {
	*pgx.ConnConfig
	t     *testing.T
	proxy *toxiproxy.Proxy
}

func newDeafWay(t *testing.T, cfg *pgx.ConnConfig) *deafWay {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	upstream := netip.AddrPortFrom(netip.MustParseAddr(cfg.Host), cfg.Port).String()
	d := &deafWay{ConnConfig: cfg.Copy(), t: t, proxy: toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)}
	if err := d.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.proxy.Stop)
	d.Port = netip.MustParseAddrPort(d.proxy.Listen).Port()
	return d
}

func (d *deafWay) loseReplies() {
	d.t.Helper()
	toxic := strings.NewReader(`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`)
	if _, err := d.proxy.Toxics.AddToxicJson(toxic); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deafWay) cut() { d.proxy.Toxics.ResetToxics(context.Background()) }

// leadTo moves the address to another server, as a fail-over does.
func (d *deafWay) leadTo(cfg *pgx.ConnConfig) {
	d.t.Helper()
	listen := d.proxy.Listen
	d.proxy.Stop()
	upstream := netip.AddrPortFrom(netip.MustParseAddr(cfg.Host), cfg.Port).String()
	d.proxy = toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), d.t.Name(), listen, upstream)
	if err := d.proxy.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(d.proxy.Stop)
}

// awaitDeliveries returns once n deliveries are committed in a state.
func awaitDeliveries(t *testing.T, cfg *pgx.ConnConfig, state billing.State, n int) {
	t.Helper()
	for began := time.Now(); query[int](t, cfg, "select count(*) from billonce.deliveries where state = $1", state) != n; {
		if time.Since(began) > time.Minute {
			t.Fatalf("%d deliveries did not become %s", n, state)
		}
	}
}

// claimFor claims invoices, and says who settles them.
func claimFor(t *testing.T, s *pgstore.Store, c engine.Claimer, ids ...billing.InvoiceID) (*billing.Claimed, settling) {
	t.Helper()
	candidates := make([]billing.Candidate, len(ids))
	for n, id := range ids {
		candidates[n].ID = id
	}
	claim, err := c.Claim(t.Context(), candidates)
	if err != nil {
		t.Fatal(err)
	}
	if claim.Settle != nil {
		return claim, claim.Settle
	}
	return claim, settlingOf(s)
}

// readied is a store with three invoices, of which 1 and 2 are claimed. The third
// one was sent before: statements are prepared then, which takes replies too.
func readied(t *testing.T, strategy string) (cfg *pgx.ConnConfig, way *deafWay, s *pgstore.Store, run uuid.UUID, by settling) {
	t.Helper()
	cfg = seeded(t, 3)
	way = newDeafWay(t, cfg)
	s, run = openStore(t, way.ConnConfig, strategy)
	claimer := s.NewClaimer()
	t.Cleanup(func() { _ = claimer.Close(context.Background()) }) // its connection was cut
	claim, by := claimFor(t, s, claimer, "3")
	sending(t, s, "3")
	if _, err := by(t.Context(), []billing.Settlement{sent(run, "3")}); err != nil {
		t.Fatal(err)
	}
	if err := claim.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, by = claimFor(t, s, claimer, "1", "2")
	return cfg, way, s, run, by
}

// The reply to a commit is lost: the ledger is read, and nothing is assumed.
func TestIntentOfUnknownFateIsReadBack(t *testing.T) {
	t.Parallel()
	cfg, way, s, _, _ := readied(t, "advisory")
	way.loseReplies()
	intended := make(chan int, 1)
	go func() {
		ours, err := intend(t.Context(), s, []billing.Intent{newIntent("1"), newIntent("2")}, time.Minute)
		if err != nil {
			t.Error(err)
		}
		intended <- len(ours)
	}()
	awaitDeliveries(t, cfg, billing.Sending, 2)
	way.cut()
	if n := <-intended; n != 2 {
		t.Errorf("%d of 2 intents are taken for ours", n)
	}
	if n := query[int](t, cfg, "select max(attempt) from billonce.deliveries"); n != 1 {
		t.Errorf("the intents were recorded as attempt %d", n)
	}
}

func TestSettlementOfUnknownFateIsReadBack(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"advisory", "row"} {
		t.Run(strategy, func(t *testing.T) {
			t.Parallel()
			cfg, way, s, run, by := readied(t, strategy)
			sending(t, s, "1", "2")
			way.loseReplies()
			settled := make(chan []billing.Settled, 1)
			go func() {
				came, err := by(t.Context(), []billing.Settlement{sent(run, "1"), sent(run, "2")})
				if err != nil {
					t.Error(err)
				}
				settled <- came
			}()
			awaitDeliveries(t, cfg, billing.Sent, 3)
			way.cut()
			for _, came := range <-settled {
				if came != billing.SettledFully {
					t.Errorf("settled: %v, want SettledFully", came)
				}
			}
			if n := query[int](t, cfg, "select count(*) from invoices where pending"); n != 0 {
				t.Errorf("%d invoices are pending still", n)
			}
		})
	}
}

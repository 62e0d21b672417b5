package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// fakeAPIFlags describe an API.
type fakeAPIFlags struct {
	addr       string
	idempotent bool
	latency    time.Duration
	faults     string
	seed       int64

	dialect     string
	client      string
	tokenLife   time.Duration
	keyTTL      time.Duration
	lookup      string
	reply       string
	rate, quota string
	atOnce      int
	limitStatus int
	limitSays   string

	acceptLater   time.Duration
	neverPercent  float64
	rejectPercent float64
	rejectStatus  int
	alreadySent   int
}

// addPeerFlags adds what tells one API from another.
func (f *fakeAPIFlags) addPeerFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.dialect, "dialect", "", "take idempotency keys as a real API does, and refuse requests without one: "+strings.Join(billingfake.DialectNames(), ", "))
	flags.StringVar(&f.client, "client", "", "ID:SECRET of a client that has to get a token first, by OAuth client credentials at /oauth/token")
	flags.DurationVar(&f.tokenLife, "token-life", time.Hour, "with --client: how long a token is good")
	flags.DurationVar(&f.keyTTL, "key-ttl", 0, "how long a key is remembered; 0: for ever")
	flags.StringVar(&f.lookup, "lookup", "resource", "what a look-up answers: "+strings.Join(billingfake.LookupNames(), ", "))
	flags.StringVar(&f.reply, "reply", "", "body of a success, as your API writes it, for example {\"status\":\"COMPLETED\"}: what your rules ask about")
	flags.StringVar(&f.rate, "rate", "", "requests that are taken: 25 (a second), 60/m, 5000/h; more are throttled")
	flags.IntVar(&f.atOnce, "at-once", 0, "requests that are taken at the same time; 0: any")
	flags.StringVar(&f.quota, "quota", "", "requests that are taken in a window from the first one on: 5000/d")
	flags.IntVar(&f.limitStatus, "limit-status", 429, "status of what is throttled")
	flags.StringVar(&f.limitSays, "limit-says", "retry_after", "headers that say when to come back, with commas between them: "+strings.Join(billingfake.NoticeNames(), ", "))
	flags.DurationVar(&f.acceptLater, "accept-later", 0, "answer 202, and act after this time; until then the look-up says processing")
	flags.Float64Var(&f.neverPercent, "never-percent", 0, "with --accept-later: the part of the invoices that stay in processing")
	flags.Float64Var(&f.rejectPercent, "reject-percent", 0, "the part of the invoices that is rejected: at once, or with --accept-later in the look-up")
	flags.IntVar(&f.rejectStatus, "reject-status", 402, "status of a rejection; 200: the body's errors say it")
	flags.IntVar(&f.alreadySent, "already-sent", 0, "status for an invoice that was billed before, whatever its key, for example 409; 0: bill it again")
}

// config is the API that the flags describe.
func (f fakeAPIFlags) config() (billingfake.Config, error) {
	c := billingfake.Config{Idempotent: f.idempotent, Latency: f.latency, KeyTTL: f.keyTTL}
	if f.reply != "" {
		c.Body = []byte(f.reply)
	}
	if err := errors.Join(f.setFaults(&c), f.setDialect(&c), f.setLimits(&c), f.setTraits(&c)); err != nil {
		return billingfake.Config{}, usage(err)
	}
	return c, nil
}

func (f fakeAPIFlags) setFaults(c *billingfake.Config) (err error) {
	if f.faults == "" {
		return nil
	}
	if c.Fault, err = billingfake.ParseFaults(f.faults, f.seed); err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	return nil
}

func (f fakeAPIFlags) setDialect(c *billingfake.Config) (err error) {
	if f.dialect != "" {
		if c.Dialect, err = billingfake.ParseDialect(f.dialect); err != nil {
			return fmt.Errorf("--dialect: %w", err)
		}
	}
	if f.client != "" {
		id, secret, found := strings.Cut(f.client, ":")
		if !found || f.tokenLife < time.Second {
			return errors.New("--client ID:SECRET, and --token-life from 1s on")
		}
		c.Tokens = billingfake.NewTokens(billingfake.Client{ID: id, Secret: secret, Life: f.tokenLife}, nil)
	}
	if f.keyTTL < 0 {
		return fmt.Errorf("--key-ttl %s: write a time from 0 on", f.keyTTL)
	}
	if c.Lookup, err = billingfake.ParseLookup(f.lookup); err != nil {
		return fmt.Errorf("--lookup: %w", err)
	}
	return nil
}

func (f fakeAPIFlags) setLimits(c *billingfake.Config) (err error) {
	if f.atOnce < 0 {
		return fmt.Errorf("--at-once %d: write a number from 0 on", f.atOnce)
	}
	if f.atOnce > 0 {
		c.Limits = append(c.Limits, billingfake.NewAtOnce(f.atOnce))
	}
	if f.rate != "" {
		rate, err := billingfake.ParseRate(f.rate)
		if err != nil {
			return fmt.Errorf("--rate: %w", err)
		}
		c.Limits = append(c.Limits, billingfake.NewRateLimit(rate))
	}
	if f.quota != "" {
		quota, err := billingfake.ParseRate(f.quota)
		if err != nil {
			return fmt.Errorf("--quota: %w", err)
		}
		c.Limits = append(c.Limits, billingfake.NewQuota(quota))
	}
	c.Throttling.Status = f.limitStatus
	if err := checkStatus("--limit-status", f.limitStatus, 400); err != nil {
		return err
	}
	if c.Throttling.Says, err = billingfake.ParseNotices(f.limitSays); err != nil {
		return fmt.Errorf("--limit-says: %w", err)
	}
	return nil
}

func (f fakeAPIFlags) setTraits(c *billingfake.Config) error {
	if f.neverPercent > 0 && f.acceptLater == 0 {
		return errors.New("--never-percent: only what is accepted later can stay in processing; set --accept-later too")
	}
	if f.acceptLater < 0 {
		return fmt.Errorf("--accept-later %s: write a time from 0 on", f.acceptLater)
	}
	if f.alreadySent != 0 {
		if err := checkStatus("--already-sent", f.alreadySent, 400); err != nil {
			return err
		}
		c.Traits = append(c.Traits, billingfake.AlreadySent{Status: f.alreadySent})
	}
	if f.acceptLater > 0 {
		c.Traits = append(c.Traits, billingfake.AcceptLater{After: f.acceptLater, NeverPercent: f.neverPercent, Seed: f.seed})
	}
	if f.rejectPercent > 0 {
		c.Traits = append(c.Traits, billingfake.Reject{Percent: f.rejectPercent, Seed: f.seed, Status: f.rejectStatus})
	}
	return errors.Join(
		checkPercent("--never-percent", f.neverPercent),
		checkPercent("--reject-percent", f.rejectPercent),
		checkStatus("--reject-status", f.rejectStatus, 200),
	)
}

func checkStatus(flag string, status, least int) error {
	if status < least || status > 599 {
		return fmt.Errorf("%s %d: write a status from %d to 599", flag, status, least)
	}
	return nil
}

func checkPercent(flag string, percent float64) error {
	if !(percent >= 0 && percent <= 100) { // not (percent < 0 || …): NaN
		return fmt.Errorf("%s %g: write a number from 0 to 100", flag, percent)
	}
	return nil
}

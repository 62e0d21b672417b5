package deploy_test

import (
	"net/http"
	"testing"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// Each exit code does with the Job what the policy says.
func TestClusterExitCodes(t *testing.T) {
	const invoices = 20
	refuse := func(in billingfake.Received) billingfake.Fault {
		if in.Invoice == "7" {
			return billingfake.ReplyStatus{Status: http.StatusBadRequest}
		}
		return nil
	}
	awayAtFirst := func(in billingfake.Received) billingfake.Fault {
		if in.Invoice == "1" && in.Attempt == 1 {
			return billingfake.ReplyStatus{Status: http.StatusTooManyRequests}
		}
		return nil
	}
	for name, test := range map[string]struct {
		api     billingfake.Config
		env     map[string]string
		prepare string // SQL
		reason  string // why the Job ended
		codes   []int  // of its pods, in their order
		states  string
	}{
		"0 completes": {
			reason: batchv1.JobReasonCompletionsReached, codes: []int{0}, states: "sent/false=20",
		},
		"2 fails at once": {
			env:    map[string]string{"CONCURRENCY": "none"},
			reason: batchv1.JobReasonPodFailurePolicy, codes: []int{2}, states: "none/true=20",
		},
		"3 fails, and is not repeated": {
			api:    billingfake.Config{Fault: refuse},
			reason: batchv1.JobReasonFailedIndexes, codes: []int{3}, states: "failed/true=1 sent/false=19",
		},
		"4 is repeated": {
			api:    billingfake.Config{Fault: awayAtFirst},
			env:    map[string]string{"BILLING_BREAKER": "1", "CONCURRENCY": "1"},
			reason: batchv1.JobReasonCompletionsReached, codes: []int{4, 0}, states: "sent/false=20",
		},
		"5 fails, and is not repeated": {
			prepare: liar,
			reason:  batchv1.JobReasonFailedIndexes, codes: []int{5}, states: "none/true=20",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			s := newSite(t, c.host, invoices, test.api)
			s.migrate()
			if test.prepare != "" {
				s.exec(test.prepare)
			}
			c.install("overlays/single", s, func(m *manifests) {
				for name, value := range test.env {
					m.config.Data[name] = value
				}
			})
			c.start("run")
			if _, how := c.ended("run"); how.Reason != test.reason {
				t.Errorf("%s: %s, want %s", how.Reason, how.Message, test.reason)
			}
			pods := c.pods("run")
			if len(pods) != len(test.codes) {
				t.Errorf("%d pods, want %d", len(pods), len(test.codes))
			}
			seen := map[int]int{}
			for _, p := range pods {
				w := lastWords(t, p)
				if int32(w.ExitCode) != terminated(p).ExitCode {
					t.Errorf("the termination message says %d, Kubernetes %d", w.ExitCode, terminated(p).ExitCode)
				}
				seen[w.ExitCode]++
			}
			for _, code := range test.codes {
				if seen[code] != 1 {
					t.Errorf("exit codes %v, want %v", seen, test.codes)
				}
			}
			if got := s.states(); got != test.states {
				t.Errorf("delivery state/pending: %s, want %s", got, test.states)
			}
		})
	}
}

// liar makes a database whose advisory locks do nothing, like that of some
// PostgreSQL-compatible ones: its functions come before the system's.
const liar = `
	create schema liar;
	create function liar.pg_try_advisory_lock(bigint) returns boolean language sql as 'select true';
	create function liar.pg_try_advisory_lock(integer, integer) returns boolean language sql as 'select true';
	create function liar.pg_try_advisory_xact_lock(bigint) returns boolean language sql as 'select true';
	create function liar.pg_try_advisory_xact_lock(integer, integer) returns boolean language sql as 'select true';
	do $$ begin
		execute format('alter database %I set search_path = liar, pg_catalog, public', current_database());
	end $$`

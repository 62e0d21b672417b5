package deploy_test

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/billing/billingfake"
	"github.com/billonce/billonce/internal/document"
)

// P11: what the manual shows the person on call is what they see in the cluster, too: what
// is typed there is a Job of the CronJob's, and who is killed is its pod.
func TestClusterTheNightOnCall(t *testing.T) {
	c := newCluster(t)
	s := newSite(t, c.host, 0, billingfake.Config{})
	c.install("overlays/single", s, func(*manifests) {})
	u, err := url.Parse(s.databaseAt)
	if err != nil {
		t.Fatal(err)
	}
	name := u.Path[1:]
	restored := *u
	restored.Path += "_restored"
	t.Cleanup(func() { s.exec("drop database if exists " + pgx.Identifier{name + "_restored"}.Sanitize()) })
	document.Document{
		T: t, Path: "../docs/operations.md", Section: "## A night on call", URL: s.database.ConnString(),
		Replace: map[string]string{
			"postgres://localhost/billing":          "'" + s.databaseAt + "'",
			"postgres://localhost/restored_billing": "'" + restored.String() + "'",
			"restored_billing template billing":     name + "_restored template " + name,
		},
		Programs: map[string]string{
			"batch": "testdata/oncall/batch", "timeout": "testdata/oncall/timeout", "kubectl": "testdata/oncall/kubectl",
		},
		Env: []string{"KUBECTL=" + c.kubectl, "NAMESPACE=" + c.namespace, "CLUSTER_HOST=" + c.host, "BATCH=" + program(t)},
	}.Run()
}

// program is `batch`, for this machine.
func program(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "batch")
	build := exec.Command("go", "build", "-o", path, "./cmd/batch")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// Each line of the runbook does what it says, of a CronJob of many pods, too.
func TestClusterRunbook(t *testing.T) {
	const invoices = 50
	c := newCluster(t)
	s := newSite(t, c.host, invoices, billingfake.Config{})
	s.migrate()
	s.exec(inDoubt("42"))
	c.install("overlays/fleet", s, func(*manifests) {})
	kubectl, err := exec.LookPath(c.kubectl)
	if err != nil {
		t.Fatal(err)
	}
	document.Document{
		T: t, Path: "../docs/operations.md", Section: "## From the cluster",
		Replace: map[string]string{"-n billonce": "-n " + c.namespace}, Programs: map[string]string{"kubectl": kubectl},
		Env: []string{"KUBECONFIG=" + os.Getenv("KUBECONFIG")},
	}.Run()
	for job, says := range map[string]string{
		"resolve": "42: sent, was in_doubt\n", "pause": "The book is paused", "doctor": "invoice locks",
	} {
		j, _ := c.ended(job)
		if log, _ := c.do(nil, "logs", "job/"+job); !strings.Contains(log, says) || j.Status.Succeeded+j.Status.Failed != 1 {
			t.Errorf("%s: %d pods succeeded, %d failed, it says\n%s", job, j.Status.Succeeded, j.Status.Failed, log)
		}
	}
	if got := query[string](s, "select state || ' ' || paused_by from billonce.deliveries, billonce.ledger"); got != "sent ann" {
		t.Errorf("the ledger has %s", got)
	}
	c.start("now")
	c.wantComplete("now")
	if n := s.api.Effects(); n != 0 {
		t.Errorf("a paused book was billed %d times", n)
	}
}

// inDoubt makes deliveries of invoices that nobody knows of whether the API has acted.
func inDoubt(ids string) string {
	return `insert into billonce.deliveries (invoice_id, idempotency_key, run_id, attempt, run_attempt, first_sent_at, deadline_at,
			updated_at, state, open_state, doubtful, error)
		select id, gen_random_uuid(), gen_random_uuid(), 1, 1, now() - interval '1 day', now() - interval '1 day', now() - interval '1 day',
			'in_doubt', 'in_doubt', true, 'no reply' from invoices where id in (` + ids + `)`
}

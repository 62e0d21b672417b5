package deploy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

func TestClusterAcceptsTheManifests(t *testing.T) {
	c := newCluster(t)
	s := newSite(t, c.host, 0, billingfake.Config{})
	for i, folder := range folders() {
		m := render(t, folder)
		c.adapt(&m, s)
		if strings.Contains(folder, "migrate") {
			c.apply([]any{m.config, m.job}, "--dry-run=server")
			continue
		}
		if i == 0 {
			c.apply([]any{m.namespace}) // with it, pod security judges the others
		}
		objects := []any{m.account, m.config, m.policy, m.cron}
		if m.page.Name != "" {
			objects = []any{m.account, m.config, m.policy, m.page, m.service}
		}
		c.apply(objects, "--dry-run=server")
	}
}

func TestClusterFiresAndBills(t *testing.T) {
	const invoices, pods = 2000, 8
	c := newCluster(t)
	s := newSite(t, c.host, invoices, billingfake.Config{Latency: 100 * time.Millisecond})
	s.migrate()
	c.install("overlays/fleet", s, func(m *manifests) {
		m.config.Data["CONCURRENCY"], m.config.Data["CLAIM_SIZE"] = "8", "50"
		m.cron.Spec.Schedule = "* * * * *"
		*m.cron.Spec.Suspend = false
	})
	jobs := until(c, "the CronJob", func() []batchv1.Job { return get[batchv1.JobList](c, "job").Items },
		func(j []batchv1.Job) bool { return len(j) > 0 })
	c.do(nil, "patch", "cronjob", "billonce", "-p", `{"spec":{"suspend":true}}`)
	if j := c.wantComplete(jobs[0].Name); j.Status.Succeeded != pods || j.Status.Failed != 0 {
		t.Errorf("%d pods succeeded, %d failed, want %d and none", j.Status.Succeeded, j.Status.Failed, pods)
	}
	s.wantBilledOnce(invoices)
	sent, busy := 0, 0
	for _, p := range c.pods(jobs[0].Name) {
		w := lastWords(t, p)
		sent += w.Sent
		if w.Sent > 0 {
			busy++
		}
		name := fmt.Sprintf("billonce/%s@%s", p.Name, p.Spec.NodeName)
		if n := query[int](s, "select count(*)::int from billonce.runs where application = $1", name); n != 1 {
			t.Errorf("%d runs of %s in the ledger", n, name)
		}
	}
	if sent != invoices || busy < 2 {
		t.Errorf("%d pods say that they sent %d, want several and %d", busy, sent, invoices)
	}
}

// A pod deleted, one evicted, one killed on its node and one out of memory, all
// in mid-run, change nothing.
func TestClusterSurvivesLosses(t *testing.T) {
	const invoices = 8000
	c := newCluster(t)
	s := newSite(t, c.host, invoices, billingfake.Config{Idempotent: true, Latency: 200 * time.Millisecond})
	s.migrate()
	var greedy batchv1.Job
	c.install("overlays/fleet", s, func(m *manifests) {
		m.config.Data["BILLING_IDEMPOTENT"] = "true"
		m.config.Data["CONCURRENCY"], m.config.Data["CLAIM_SIZE"] = "8", "50"
		greedy = onePod(m, "greedy", withoutCollector)
	})
	c.start("fleet")
	c.apply([]any{greedy})
	pods := until(c, "eight pods at work", func() []corev1.Pod { return c.pods("fleet") }, func(pods []corev1.Pod) bool {
		return len(pods) == 8 && query[int](s, "select count(distinct run_id)::int from billonce.deliveries where state = 'sent'") >= 8
	})
	c.kill(pods[0])
	c.do(nil, "delete", "pod", pods[1].Name, "--wait=false")
	eviction := fmt.Sprintf(`{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":%q,"namespace":%q}}`, pods[2].Name, c.namespace)
	c.do([]byte(eviction), "create", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", c.namespace, pods[2].Name), "-f", "-")
	dead := until(c, "a pod out of memory", func() *corev1.Pod {
		for _, p := range c.pods(greedy.Name) {
			if end := terminated(p); end != nil && end.Reason == "OOMKilled" {
				return &p
			}
		}
		return nil
	}, func(p *corev1.Pod) bool { return p != nil })
	if left := query[int](s, "select count(*)::int from invoices where pending"); left == 0 {
		t.Error("nothing was left when the losses were over: no proof")
	}
	if n := query[int](s, `select count(*)::int from billonce.deliveries join billonce.runs using (run_id)
		where application like $1`, "billonce/"+dead.Name+"@%"); n == 0 {
		t.Error("the pod that ran out of memory had sent nothing: no proof")
	}
	// Killed and deleted, each once; the evicted one does not count.
	if j := c.wantComplete("fleet"); j.Status.Failed != 2 {
		t.Errorf("%d pods of the fleet failed, want 2", j.Status.Failed)
	}
	c.do(nil, "delete", "job", greedy.Name, "--cascade=foreground")
	c.start("last") // what the greedy one held as it was deleted
	c.wantComplete("last")
	s.wantBilledOnce(invoices)
	if n := s.api.Summary().Replays; n == 0 {
		t.Error("no request was ever repeated: the losses hit nothing in flight")
	}
}

// onePod is a Job of one pod that shares the fleet's run.
func onePod(m *manifests, name string, change func(*corev1.Container)) batchv1.Job {
	j := batchv1.Job{Spec: *m.cron.Spec.JobTemplate.Spec.DeepCopy()}
	j.Kind, j.APIVersion = "Job", "batch/v1"
	j.Name, j.Namespace = name, m.cron.Namespace
	one := int32(1)
	j.Spec.Parallelism, j.Spec.Completions = &one, &one
	change(&j.Spec.Template.Spec.Containers[0])
	return j
}

// withoutCollector makes a container run out of memory: it never collects garbage.
func withoutCollector(container *corev1.Container) {
	for i, v := range container.Env {
		if v.Name == "GOMEMLIMIT" {
			container.Env[i] = corev1.EnvVar{Name: "GOGC", Value: "off"}
		}
	}
	container.Env = append(container.Env, corev1.EnvVar{Name: "CONCURRENCY", Value: "64"})
	container.Resources.Requests[corev1.ResourceMemory] = resource.MustParse("16Mi")
	container.Resources.Limits[corev1.ResourceMemory] = resource.MustParse("40Mi")
}

// kill ends a pod's process by SIGKILL, on its node, which this machine sees.
func (c *cluster) kill(p corev1.Pod) {
	c.t.Helper()
	environments, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, path := range environments {
		environment, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(environment, []byte("POD_NAME="+p.Name+"\x00")) {
			continue // it has ended meanwhile, or is no pod
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err != nil {
			c.t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	c.t.Fatalf("no process of %s on this machine", p.Name)
}

// With an API without keys, a deleted pod leaves nothing in doubt.
func TestClusterDrainsADeletedPod(t *testing.T) {
	const invoices = 3000
	c := newCluster(t)
	s := newSite(t, c.host, invoices, billingfake.Config{Latency: 300 * time.Millisecond})
	s.migrate()
	c.install("overlays/single", s, func(*manifests) {})
	c.start("run")
	pods := until(c, "a pod at work", func() []corev1.Pod { return c.pods("run") }, func(pods []corev1.Pod) bool {
		return len(pods) == 1 && s.api.Effects() > 100
	})
	logs := exec.Command(c.kubectl, "logs", "-f", pods[0].Name, "-n", c.namespace)
	out, err := logs.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := logs.Start(); err != nil {
		t.Fatal(err)
	}
	c.do(nil, "delete", "pod", pods[0].Name, "--wait=false")
	var last string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = lines.Text()
	}
	_ = logs.Wait() // the log ended with the pod
	var line struct {
		ExitCode int `json:"exit_code"`
		Pod      string
		Summary  words
	}
	if err := json.Unmarshal([]byte(last), &line); err != nil {
		t.Fatalf("the last line: %v: %s", err, last)
	}
	if line.ExitCode != 4 || line.Summary.Stopped != "signal" || line.Pod != pods[0].Name {
		t.Errorf("the last line says %s", last)
	}
	c.wantComplete("run")
	s.wantBilledOnce(invoices)
}

// The next version migrates while this one's runs go on, and sends beside them,
// with the other lock strategy.
func TestClusterMigratesWhileRunsGoOn(t *testing.T) {
	const invoices = 8000
	next := os.Getenv("NEXT_IMAGE")
	c := newCluster(t)
	s := newSite(t, c.host, invoices, billingfake.Config{Latency: 200 * time.Millisecond})
	s.migrate()
	var newer batchv1.Job
	c.install("overlays/fleet", s, func(m *manifests) {
		m.config.Data["CONCURRENCY"], m.config.Data["CLAIM_SIZE"] = "8", "50"
		newer = onePod(m, "newer", func(container *corev1.Container) {
			container.Image = next
			container.Env = append(container.Env, corev1.EnvVar{Name: "LOCK_STRATEGY", Value: "row"})
		})
	})
	c.start("fleet")
	until(c, "eight runs at work", func() int {
		return query[int](s, "select count(distinct run_id)::int from billonce.deliveries where state = 'sent'")
	}, func(runs int) bool { return runs == 8 })
	before := query[int](s, "select version from billonce.schema_version")
	m := render(t, "migrate")
	c.adapt(&m, s)
	m.container().Image = next
	c.apply([]any{m.config, c.secret(s, "billonce-migrate"), m.job})
	c.wantComplete(m.job.Name)
	if after := query[int](s, "select version from billonce.schema_version"); after != before+1 {
		t.Errorf("the schema's version went from %d to %d", before, after)
	}
	c.apply([]any{newer})
	c.wantComplete(newer.Name)
	if j := c.wantComplete("fleet"); j.Status.Failed != 0 {
		t.Errorf("%d pods failed", j.Status.Failed)
	}
	s.wantBilledOnce(invoices)
	if by := query[string](s, `select string_agg(distinct (version = 'next')::text || ' ' || lock_strategy, ', ')
		from billonce.runs join billonce.deliveries using (run_id)`); by != "false advisory, true row" {
		t.Errorf("sent by (next? strategy): %s; want both versions, each with its strategy", by)
	}
	// A pod of the old version that starts now touches nothing.
	c.start("old")
	if _, how := c.ended("old"); how.Reason != batchv1.JobReasonPodFailurePolicy || !strings.Contains(how.Message, "exit code 2") {
		t.Errorf("an old run ended with %s: %s", how.Reason, how.Message)
	}
}

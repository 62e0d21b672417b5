package deploy_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const (
	patience = 3 * time.Minute // longer than any Job here takes on a slow machine
	poll     = 250 * time.Millisecond
)

// cluster is a Kubernetes that KUBECONFIG names; its pods reach this machine at host.
type cluster struct {
	t         testing.TB
	kubectl   string
	host      string
	image     string
	namespace string
}

// newCluster makes a namespace of the test's own. It skips the test where no
// cluster is given: `make test-cluster` does.
func newCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{
		t: t, kubectl: os.Getenv("KUBECTL"), host: os.Getenv("CLUSTER_HOST"), image: os.Getenv("IMAGE"),
		namespace: "billonce-" + strings.ToLower(rand.Text()[:8]),
	}
	if c.host == "" {
		t.Skip("CLUSTER_HOST names no address: run `make test-cluster`")
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.tell()
		}
		c.do(nil, "delete", "namespace", c.namespace, "--wait=false")
	})
	return c
}

// tell shows what there was to see before it is deleted.
func (c *cluster) tell() {
	for _, args := range [][]string{
		{"get", "job,pod", "-o", "wide"}, {"get", "events"}, {"logs", "--prefix", "--tail=5", "-l", "app.kubernetes.io/name=billonce"},
	} {
		out, _ := exec.Command(c.kubectl, append(args, "-n", c.namespace)...).CombinedOutput()
		c.t.Logf("kubectl %s\n%s", strings.Join(args, " "), out)
	}
}

// do runs kubectl and returns its standard output and error.
func (c *cluster) do(stdin []byte, args ...string) (stdout, stderr string) {
	c.t.Helper()
	cmd := exec.Command(c.kubectl, append(args, "-n", c.namespace)...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil {
		c.t.Errorf("kubectl %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), errs.String()
}

// apply applies objects, and fails on a warning: of the pod security too.
func (c *cluster) apply(objects []any, flags ...string) {
	c.t.Helper()
	var text []byte
	for _, o := range objects {
		one, err := yaml.Marshal(o)
		if err != nil {
			c.t.Fatal(err)
		}
		text = append(append(text, "---\n"...), one...)
	}
	if _, warned := c.do(text, append([]string{"apply", "-f", "-"}, flags...)...); warned != "" {
		c.t.Errorf("kubectl apply: %s", warned)
	}
}

// install applies an overlay as it is rendered, but for the image and for what
// names this machine; change may change it further.
func (c *cluster) install(overlay string, s *site, change func(*manifests)) {
	c.t.Helper()
	m := render(c.t, overlay)
	c.adapt(&m, s)
	change(&m)
	c.apply([]any{m.namespace})
	c.apply([]any{m.account, m.config, m.policy, c.secret(s, "billonce"), m.cron})
}

// adapt points manifests at the test's namespace, image and servers.
func (c *cluster) adapt(m *manifests, s *site) {
	m.namespace.Name = c.namespace
	for _, o := range []metav1.Object{&m.account, &m.config, &m.policy, &m.cron, &m.job, &m.page, &m.service} {
		o.SetNamespace(c.namespace)
	}
	m.container().Image = c.image
	suspended := true
	m.cron.Spec.Suspend = &suspended
	m.config.Data["BILLING_URL"] = s.billingAt
	for _, at := range []string{s.billingAt, s.databaseAt} {
		m.policy.Spec.Egress = append(m.policy.Spec.Egress, networkingv1.NetworkPolicyEgressRule{
			Ports: []networkingv1.NetworkPolicyPort{{Port: portOf(c.t, at)}},
		})
	}
}

func portOf(t testing.TB, text string) *intstr.IntOrString {
	t.Helper()
	u, err := url.Parse(strings.Split(text, "/v1/")[0])
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	value := intstr.FromInt(n)
	return &value
}

func (c *cluster) secret(s *site, name string) corev1.Secret {
	return corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace},
		StringData: map[string]string{"DATABASE_URL": s.databaseAt, "BILLING_TOKEN": "token"},
	}
}

// start starts a run, as the CronJob would.
func (c *cluster) start(job string) {
	c.t.Helper()
	c.do(nil, "create", "job", job, "--from=cronjob/billonce")
}

// until polls get until ok, and returns what it got last.
func until[T any](c *cluster, what string, get func() T, ok func(T) bool) T {
	c.t.Helper()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		v := get()
		if ok(v) {
			return v
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

func get[T any](c *cluster, args ...string) (v T) {
	c.t.Helper()
	out, _ := c.do(nil, append(append([]string{"get"}, args...), "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		c.t.Fatal(err)
	}
	return v
}

// ended waits until a Job has ended, and returns it and how.
func (c *cluster) ended(job string) (batchv1.Job, batchv1.JobCondition) {
	c.t.Helper()
	j := until(c, "the Job "+job, func() batchv1.Job { return get[batchv1.Job](c, "job", job) },
		func(j batchv1.Job) bool { return condition(j).Type != "" })
	return j, condition(j)
}

func condition(j batchv1.Job) batchv1.JobCondition {
	for _, found := range j.Status.Conditions {
		if found.Status == corev1.ConditionTrue && (found.Type == batchv1.JobComplete || found.Type == batchv1.JobFailed) {
			return found
		}
	}
	return batchv1.JobCondition{}
}

func (c *cluster) wantComplete(job string) batchv1.Job {
	c.t.Helper()
	j, how := c.ended(job)
	if how.Type != batchv1.JobComplete {
		c.t.Errorf("the Job %s: %s: %s", job, how.Reason, how.Message)
	}
	return j
}

func (c *cluster) pods(job string) []corev1.Pod {
	c.t.Helper()
	return get[corev1.PodList](c, "pod", "-l", "batch.kubernetes.io/job-name="+job).Items
}

// terminated is how a pod's container ended; nil if it has not.
func terminated(p corev1.Pod) *corev1.ContainerStateTerminated {
	if len(p.Status.ContainerStatuses) == 0 {
		return nil
	}
	return p.Status.ContainerStatuses[0].State.Terminated
}

// words are what a pod left in its termination message.
type words struct {
	ExitCode int `json:"exit_code"`
	Sent     int
	Stopped  string
	Error    string
}

func lastWords(t testing.TB, p corev1.Pod) (w words) {
	t.Helper()
	if err := json.Unmarshal([]byte(terminated(p).Message), &w); err != nil {
		t.Errorf("the termination message of %s: %v: %q", p.Name, err, terminated(p).Message)
	}
	return w
}

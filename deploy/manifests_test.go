package deploy_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/config"
)

func folders() []string {
	return append(overlays(), "migrate", "overlays/second-book/migrate", "overlays/two-steps/migrate/create", "overlays/two-steps/migrate/send", "serve")
}

func overlays() []string {
	return []string{"overlays/single", "overlays/fleet", "overlays/second-book", "overlays/two-steps/create", "overlays/two-steps/send"}
}

// verdict is what a policy makes of a pod that has failed: the first rule that
// matches, else it counts (Kubernetes, Job, "Pod failure policy").
func verdict(p *batchv1.PodFailurePolicy, code int32, disrupted bool) batchv1.PodFailurePolicyAction {
	for _, rule := range p.Rules {
		if on := rule.OnExitCodes; on != nil && *on.ContainerName == "batch" &&
			slices.Contains(on.Values, code) == (on.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn) {
			return rule.Action
		}
		for _, on := range rule.OnPodConditions {
			if disrupted && on.Type == corev1.DisruptionTarget {
				return rule.Action
			}
		}
	}
	return batchv1.PodFailurePolicyActionCount
}

func TestPolicyKnowsTheExitCodes(t *testing.T) {
	t.Parallel()
	const killed = 137
	for _, overlay := range overlays() {
		m := render(t, overlay)
		job := m.cron.Spec.JobTemplate.Spec
		for _, c := range []struct {
			code      int32
			disrupted bool
			want      batchv1.PodFailurePolicyAction
		}{
			{billing.ExitError, false, batchv1.PodFailurePolicyActionCount},
			{billing.ExitUsage, false, batchv1.PodFailurePolicyActionFailJob},
			{billing.ExitPerson, false, batchv1.PodFailurePolicyActionFailIndex},
			{billing.ExitStopped, false, batchv1.PodFailurePolicyActionCount},
			{billing.ExitRefused, false, batchv1.PodFailurePolicyActionFailIndex},
			{killed, false, batchv1.PodFailurePolicyActionCount},
			{billing.ExitStopped, true, batchv1.PodFailurePolicyActionIgnore},
			{killed, true, batchv1.PodFailurePolicyActionIgnore},
			// It had finished when the node was drained: again would hide it.
			{billing.ExitPerson, true, batchv1.PodFailurePolicyActionFailIndex},
			{billing.ExitUsage, true, batchv1.PodFailurePolicyActionFailJob},
		} {
			if got := verdict(job.PodFailurePolicy, c.code, c.disrupted); got != c.want {
				t.Errorf("%s: exit code %d, disrupted %v: %s, want %s", overlay, c.code, c.disrupted, got, c.want)
			}
		}
		if job.BackoffLimitPerIndex == nil || *job.BackoffLimitPerIndex == 0 {
			t.Errorf("%s: what counts is not tried again", overlay)
		}
	}
	m := render(t, "migrate")
	if got := verdict(m.job.Spec.PodFailurePolicy, billing.ExitUsage, false); got != batchv1.PodFailurePolicyActionFailJob {
		t.Errorf("migrate: exit code 2: %s", got)
	}
}

func TestOverlaysAreWhatTheirNamesSay(t *testing.T) {
	t.Parallel()
	for overlay, want := range map[string]struct {
		pods    int32
		runLock string
	}{"overlays/single": {1, "exclusive"}, "overlays/fleet": {8, "shared"}} {
		m := render(t, overlay)
		job := m.cron.Spec.JobTemplate.Spec
		if *job.Parallelism != want.pods || *job.Completions != want.pods || *job.CompletionMode != batchv1.IndexedCompletion {
			t.Errorf("%s: %d of %d pods, %s", overlay, *job.Parallelism, *job.Completions, *job.CompletionMode)
		}
		if m.config.Data["RUN_LOCK"] != want.runLock || m.cron.Spec.ConcurrencyPolicy != batchv1.ForbidConcurrent {
			t.Errorf("%s: RUN_LOCK=%s, %s", overlay, m.config.Data["RUN_LOCK"], m.cron.Spec.ConcurrencyPolicy)
		}
	}
}

// Nothing is billed by itself until somebody has said so.
func TestTheCronJobComesSuspended(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays() {
		if m := render(t, overlay); m.cron.Spec.Suspend == nil || !*m.cron.Spec.Suspend {
			t.Errorf("%s: it is not suspended", overlay)
		}
	}
}

// Runs never see the password of the role that may make schemas.
func TestRunsAndMigrationsHaveSecretsOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, folder := range folders() {
		want := "billonce"
		if strings.Contains(folder, "migrate") {
			want = "billonce-migrate"
		}
		if folder == "serve" {
			want = "billonce-serve"
		}
		m := render(t, folder)
		var got []string
		for _, from := range m.container().EnvFrom {
			if from.SecretRef != nil {
				got = append(got, from.SecretRef.Name)
			}
		}
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%s: Secrets %v, want %s", folder, got, want)
		}
	}
}

// Two books share a namespace: nothing of one has the name of the other's, but the
// Secrets, and each has its own table, ledger and locks.
func TestTwoBooksDoNotMeet(t *testing.T) {
	t.Parallel()
	first, second := render(t, "overlays/single"), render(t, "overlays/second-book")
	for _, names := range [][2]string{
		{first.cron.Name, second.cron.Name},
		{first.config.Name, second.config.Name},
		{first.account.Name, second.account.Name},
		{first.policy.Name, second.policy.Name},
	} {
		if names[0] == names[1] {
			t.Errorf("both have %s", names[0])
		}
	}
	for _, name := range []string{"INVOICES_TABLE", "BILLING_URL", "LEDGER_SCHEMA", "LOCK_NAMESPACE"} {
		if first.config.Data[name] == second.config.Data[name] {
			t.Errorf("both have %s=%s", name, first.config.Data[name])
		}
	}
	migrate := render(t, "overlays/second-book/migrate")
	for _, name := range []string{"INVOICES_TABLE", "LEDGER_SCHEMA"} {
		if migrate.config.Data[name] != second.config.Data[name] || migrate.job.Name == "billonce-migrate" {
			t.Errorf("%s migrates %s=%s", migrate.job.Name, name, migrate.config.Data[name])
		}
	}
}

// Two steps on one table are two books, which one folder applies, and another migrates:
// each has its own ledger, and marks what the other one waits for.
func TestTwoStepsAreTwoBooks(t *testing.T) {
	t.Parallel()
	create, send := render(t, "overlays/two-steps/create"), render(t, "overlays/two-steps/send")
	for _, name := range []string{"LEDGER_SCHEMA", "RUN_NAME", "LOCK_NAMESPACE", "INVOICES_PENDING", "INVOICES_MARK_SENT", "BILLING_URL"} {
		if create.config.Data[name] == send.config.Data[name] {
			t.Errorf("both have %s=%s", name, create.config.Data[name])
		}
	}
	if create.cron.Spec.Schedule == send.cron.Spec.Schedule {
		t.Error("both begin at once")
	}
	for folder, kind := range map[string]string{"overlays/two-steps": "CronJob", "overlays/two-steps/migrate": "Job"} {
		both, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("kubernetes", folder))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, r := range both.Resources() {
			if r.GetKind() == kind {
				n++
			}
		}
		if n != 2 {
			t.Errorf("%s has %d of %s, want 2", folder, n, kind)
		}
	}
}

// A pod that is told to end has ended before it is killed: what it drains, settles and
// tells is bounded.
func TestGraceCoversTheDrain(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays() {
		m := render(t, overlay)
		drain, err := time.ParseDuration(m.config.Data["DRAIN_TIMEOUT"])
		if err != nil {
			t.Fatal(err)
		}
		timeout, err := time.ParseDuration(m.config.Data["BILLING_TIMEOUT"])
		if err != nil {
			t.Fatal(err)
		}
		grace := time.Duration(*m.pod().Spec.TerminationGracePeriodSeconds) * time.Second
		if grace < drain+config.SettleTimeout+config.TellTimeout || drain <= timeout {
			t.Errorf("%s: grace %s, drain %s, request %s", overlay, grace, drain, timeout)
		}
	}
}

// The namespace enforces it; a pod that breaks it would show only at night.
func TestPodsAreRestricted(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, folder := range folders() {
		m := render(t, folder)
		pod := m.pod()
		for _, r := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
			if !r.Allowed {
				t.Errorf("%s: %s: %s", folder, r.ForbiddenReason, r.ForbiddenDetail)
			}
		}
		c := m.container()
		if !*c.SecurityContext.ReadOnlyRootFilesystem || *pod.Spec.AutomountServiceAccountToken {
			t.Errorf("%s: a writable file system, or a token", folder)
		}
		if strings.Contains(folder, "migrate") {
			continue
		}
		if folder == "serve" {
			m.namespace = render(t, "overlays/single").namespace
		}
		if *m.account.AutomountServiceAccountToken || m.namespace.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
			t.Errorf("%s: %v, namespace %v", folder, m.account, m.namespace.Labels)
		}
		if !selects(m.policy.Spec.PodSelector.MatchLabels, pod.Labels) {
			t.Errorf("%s: the NetworkPolicy does not select the pods", folder)
		}
	}
}

func selects(selector, labels map[string]string) bool {
	for name, value := range selector {
		if labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}

func TestMemoryIsCollectedBeforeTheLimit(t *testing.T) {
	t.Parallel()
	for _, overlay := range overlays() {
		m := render(t, overlay)
		soft, err := resource.ParseQuantity(strings.TrimSuffix(m.variable("GOMEMLIMIT"), "B"))
		if err != nil {
			t.Fatal(err)
		}
		hard := m.container().Resources.Limits.Memory().Value()
		if soft.Value() > hard*9/10 || soft.Value() < hard/2 {
			t.Errorf("%s: GOMEMLIMIT %d, limit %d", overlay, soft.Value(), hard)
		}
	}
}

func TestNamesAreVariables(t *testing.T) {
	t.Parallel()
	secret := known(t)
	if len(secret) < 30 || !secret["DATABASE_URL"] || secret["RUN_LOCK"] {
		t.Fatalf("read %v", secret)
	}
	for _, folder := range folders() {
		m := render(t, folder)
		for _, v := range m.container().Env {
			if _, ok := secret[v.Name]; !ok && v.Name != "GOMEMLIMIT" {
				t.Errorf("%s: %s is no variable", folder, v.Name)
			}
		}
		for name := range m.config.Data {
			if isSecret, ok := secret[name]; !ok || isSecret {
				t.Errorf("%s: %s is no variable, or a secret", folder, name)
			}
		}
	}
	for _, text := range strings.Split(read(t, "kubernetes/secret.example.yaml"), "\n---\n") {
		var example corev1.Secret
		if err := yaml.UnmarshalStrict([]byte(text), &example); err != nil {
			t.Fatal(err)
		}
		for name := range example.StringData {
			if !secret[name] && name != "users" { // that one is a file
				t.Errorf("%s of the Secret %s is no secret variable", name, example.Name)
			}
		}
	}
}

// The program itself accepts what the pods are given, without a warning: it gets
// as far as the database, where there is none.
func TestTheConfigurationIsAccepted(t *testing.T) {
	t.Parallel()
	batch := buildBatch(t)
	for _, folder := range folders() {
		if folder == "serve" {
			continue // it wants the files of the pod: TestThePageIsReached reads its settings
		}
		m := render(t, folder)
		run := exec.Command(batch, m.container().Args...)
		run.Env = []string{"DATABASE_URL=postgres://127.0.0.1:1/none", "BILLING_TOKEN=token"}
		for name, value := range m.config.Data {
			run.Env = append(run.Env, name+"="+value)
		}
		for _, v := range m.container().Env {
			run.Env = append(run.Env, v.Name+"="+v.Value)
		}
		out, err := run.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != billing.ExitError || strings.Contains(string(out), `"warn"`) {
			t.Errorf("%s: %v\n%s", folder, err, out)
		}
	}
}

func buildBatch(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "batch")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/batch")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

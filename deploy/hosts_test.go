package deploy_test

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
)

// unit reads a systemd unit: the last value of each setting counts.
func unit(t testing.TB, path string) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for line := range strings.Lines(read(t, path)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
			settings[name] = value
		}
	}
	return settings
}

// systemd repeats what the Job would, and no more; and waits as long.
func TestTheServiceDoesAsTheCronJob(t *testing.T) {
	t.Parallel()
	m := render(t, "overlays/single")
	service := unit(t, "systemd/billonce.service")
	var final []string
	for code := range int32(6) {
		if verdict(m.cron.Spec.JobTemplate.Spec.PodFailurePolicy, code, false) != batchv1.PodFailurePolicyActionCount {
			final = append(final, string('0'+code))
		}
	}
	if want := strings.Join(final, " "); service["RestartPreventExitStatus"] != want {
		t.Errorf("systemd repeats all but %s, Kubernetes all but %s", service["RestartPreventExitStatus"], want)
	}
	stop, err := time.ParseDuration(service["TimeoutStopSec"])
	if err != nil {
		t.Fatal(err)
	}
	if grace := *m.pod().Spec.TerminationGracePeriodSeconds; int64(stop.Seconds()) != grace {
		t.Errorf("systemd waits %s, Kubernetes %d s", stop, grace)
	}
	secret := known(t)
	for pair := range strings.FieldsSeq(service["Environment"]) {
		name, _, _ := strings.Cut(pair, "=")
		if of, twin := strings.CutSuffix(name, "_FILE"); twin && !secret[of] {
			t.Errorf("%s is no secret variable", name)
		}
	}
}

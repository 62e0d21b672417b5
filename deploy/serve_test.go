package deploy_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/billonce/billonce/internal/web"
)

// The page's settings are good, its Service and its probes reach it, and the network lets
// in what they need and nothing else.
func TestThePageIsReached(t *testing.T) {
	t.Parallel()
	m := render(t, "serve")
	env := m.config.Data
	if _, faults := web.Parse(web.Settings{
		Addr: env["SERVE_ADDR"], UsersFile: env["SERVE_USERS_FILE"], ProxyHeader: env["SERVE_PROXY_HEADER"], TrustedProxies: env["SERVE_TRUSTED_PROXIES"],
		Deciders: env["SERVE_DECIDERS"], TLSCertFile: env["SERVE_TLS_CERT_FILE"], TLSKeyFile: env["SERVE_TLS_KEY_FILE"],
	}); len(faults) > 0 {
		t.Errorf("batch serve would refuse to start: %v", faults)
	}
	c := m.container()
	port := c.Ports[0]
	if !strings.HasSuffix(env["SERVE_ADDR"], ":8321") || port.ContainerPort != 8321 || m.service.Spec.Ports[0].TargetPort.StrVal != port.Name {
		t.Errorf("it listens at %s, the container names %v, the Service leads to %v", env["SERVE_ADDR"], port, m.service.Spec.Ports)
	}
	for what, selector := range map[string]map[string]string{
		"Service": m.service.Spec.Selector, "Deployment": m.page.Spec.Selector.MatchLabels, "NetworkPolicy": m.policy.Spec.PodSelector.MatchLabels,
	} {
		if !selects(selector, m.pod().Labels) {
			t.Errorf("the %s does not select the pods", what)
		}
	}
	if in := m.policy.Spec.Ingress; len(in) != 1 || len(in[0].From) == 0 || in[0].Ports[0].Port.IntVal != port.ContainerPort {
		t.Errorf("what comes in: %v", in)
	}
	for _, probe := range []*corev1.Probe{c.ReadinessProbe, c.LivenessProbe} {
		if get := probe.HTTPGet; get.Path != "/healthz" || get.Scheme != corev1.URISchemeHTTPS || get.Port.StrVal != port.Name {
			t.Errorf("a probe asks %v", get)
		}
	}
	runs := render(t, "overlays/single")
	if selects(runs.policy.Spec.PodSelector.MatchLabels, m.pod().Labels) || selects(m.policy.Spec.PodSelector.MatchLabels, runs.pod().Labels) {
		t.Error("runs and page share a NetworkPolicy")
	}
}

// Each file that its settings name comes from a Secret that is mounted there.
func TestThePagesFilesAreMounted(t *testing.T) {
	t.Parallel()
	m := render(t, "serve")
	secrets := map[string]string{}
	for _, v := range m.pod().Spec.Volumes {
		secrets[v.Name] = v.Secret.SecretName
	}
	mounted := map[string]string{}
	for _, v := range m.container().VolumeMounts {
		mounted[v.MountPath] = secrets[v.Name]
	}
	for _, name := range slices.Sorted(maps.Keys(m.config.Data)) {
		if strings.HasPrefix(name, "SERVE_") && strings.HasSuffix(name, "_FILE") && mounted[path.Dir(m.config.Data[name])] == "" {
			t.Errorf("%s=%s: nothing is mounted there; %v is", name, m.config.Data[name], mounted)
		}
	}
}

// systemd starts the page again after any failure but that of its configuration.
func TestThePagesService(t *testing.T) {
	t.Parallel()
	service := unit(t, "systemd/billonce-serve.service")
	if service["ExecStart"] != "/usr/local/bin/batch serve" || service["Restart"] != "on-failure" || service["RestartPreventExitStatus"] != "2" {
		t.Errorf("%v", service)
	}
	secret := known(t)
	for pair := range strings.FieldsSeq(service["Environment"]) {
		name, _, _ := strings.Cut(pair, "=")
		_, plain := secret[name]
		if of, twin := strings.CutSuffix(name, "_FILE"); !plain && !(twin && secret[of]) {
			t.Errorf("%s is no variable", name)
		}
	}
}

package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are what one of kubernetes/'s folders comes to.
type manifests struct {
	namespace corev1.Namespace
	account   corev1.ServiceAccount
	config    corev1.ConfigMap
	policy    networkingv1.NetworkPolicy
	cron      batchv1.CronJob
	job       batchv1.Job // migrate's
	page      appsv1.Deployment
	service   corev1.Service
}

// render builds a folder as kubectl apply -k does. A field that Kubernetes
// doesn't know, or a kind that is not expected, fails the test.
func render(t testing.TB, folder string) (m manifests) {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("kubernetes", folder))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]any{
		"Namespace": &m.namespace, "ServiceAccount": &m.account, "ConfigMap": &m.config,
		"NetworkPolicy": &m.policy, "CronJob": &m.cron, "Job": &m.job, "Deployment": &m.page, "Service": &m.service,
	}
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if targets[r.GetKind()] == nil {
			t.Fatalf("%s: a %s more than expected", folder, r.GetKind())
		}
		if err := yaml.UnmarshalStrict(text, targets[r.GetKind()]); err != nil {
			t.Fatalf("%s: %s: %v", folder, r.GetKind(), err)
		}
		delete(targets, r.GetKind())
	}
	return m
}

// pod is the template of whatever there is.
func (m *manifests) pod() *corev1.PodTemplateSpec {
	if m.cron.Name != "" {
		return &m.cron.Spec.JobTemplate.Spec.Template
	}
	if m.page.Name != "" {
		return &m.page.Spec.Template
	}
	return &m.job.Spec.Template
}

func (m *manifests) container() *corev1.Container { return &m.pod().Spec.Containers[0] }

// variable is the value that a container's env gives a name.
func (m *manifests) variable(name string) string {
	for _, v := range m.container().Env {
		if v.Name == name {
			return v.Value
		}
	}
	return m.config.Data[name]
}

// known are the names in .env.example; secret ones may come from a file.
func known(t testing.TB) (secret map[string]bool) {
	t.Helper()
	secret = map[string]bool{}
	for line := range strings.Lines(read(t, "../.env.example")) {
		name, _, found := strings.Cut(strings.TrimPrefix(line, "#"), "=")
		if !found || strings.ContainsAny(name, " .(") {
			continue
		}
		secret[name] = false
		if of, twin := strings.CutSuffix(name, "_FILE"); twin {
			if _, known := secret[of]; known {
				delete(secret, name)
				secret[of] = true
			}
		}
	}
	return secret
}

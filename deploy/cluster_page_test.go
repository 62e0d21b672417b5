package deploy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/oauth2-proxy/mockoidc"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const decider, reader = "ann@example.com", "bob@example.com"

// The page as it is deployed, behind oauth2-proxy: who logs in there is who decides; nobody
// comes past it, and nobody says by a header of their own who they are. Commands run in its pod.
func TestClusterThePageBehindAProxy(t *testing.T) {
	proxyImage := os.Getenv("PROXY_IMAGE")
	c := newCluster(t)
	s := newSite(t, c.host, 3, billingfake.Config{})
	s.migrate()
	s.exec(inDoubt("1, 2, 3"))
	page := c.installPage(s)
	provider := c.provider()
	front := c.forward(c.proxy(proxyImage, provider, page.Status.PodIP), "4180")
	home := "http://" + front + "/"

	stranger := newBrowser(t)
	stranger.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if code, text := stranger.get(home, decider); strings.Contains(text, decider) || code == http.StatusOK {
		t.Errorf("nobody has logged in, and sees %d\n%s", code, text)
	}
	bob := logIn(t, provider, home, reader)
	if _, text := bob.get(home, decider); !strings.Contains(text, reader+", reading") || strings.Contains(text, decider) {
		t.Errorf("bob, who says that he is ann, sees\n%s", text)
	}
	ann := logIn(t, provider, home, decider)
	_, list := ann.get(home+"open?kind=in_doubt", "")
	picked := picksOf(list)
	if len(picked) != 3 {
		t.Fatalf("ann may pick %d of three:\n%s", len(picked), list)
	}
	_, preview := ann.post(home+"preview", url.Values{"pick": picked[:1], "decision": {"cancel"}, "reason": {"not owed"}}, "")
	confirm := url.Values{"pick": picksOf(preview)}
	if code, _ := bob.post(home+"confirm", confirm, decider); code != http.StatusForbidden {
		t.Errorf("bob decides: %d", code)
	}
	if code, text := ann.post(home+"confirm", confirm, ""); code != http.StatusOK {
		t.Errorf("ann decides: %d\n%s", code, text)
	}
	if got := query[string](s, "select string_agg(decided_by || ' ' || reason, ', ') from billonce.history where kind = 'decision'"); got != decider+" not owed" {
		t.Errorf("the history has %q", got)
	}
	past := "https://" + c.forward(page.Name, "8321") + "/"
	if code, _ := stranger.get(past, decider); code != http.StatusForbidden {
		t.Errorf("past the proxy, with its header: %d", code)
	}
	said, err := exec.Command(c.kubectl, "-n", c.namespace, "exec", "deploy/billonce-serve", "--",
		"/batch", "resolve", picksID(picked[1]), "--sent", "--by", "ann", "--reason", "in their books").CombinedOutput()
	if err != nil || !strings.Contains(string(said), "sent, was in_doubt") {
		t.Errorf("resolve in the page's pod: %v: %s", err, said)
	}
	if got := s.states(); got != "cancelled/true=1 in_doubt/true=1 sent/false=1" {
		t.Error(got)
	}
}

// installPage deploys the page with a role of its own, for a proxy that knows the readers,
// and returns its pod once it is ready.
func (c *cluster) installPage(s *site) corev1.Pod {
	c.t.Helper()
	role := strings.ReplaceAll(c.namespace, "-", "_")
	s.exec("create role " + role + " login password 'page'")
	c.t.Cleanup(func() { s.exec("drop owned by " + role + "; drop role " + role) })
	m := render(c.t, "serve")
	m.namespace = render(c.t, "overlays/single").namespace
	c.adapt(&m, s)
	m.policy.Spec.Ingress[0].From = []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "proxy"}}}}
	env := m.config.Data
	env["SERVE_USERS_FILE"], env["SERVE_PROXY_HEADER"], env["SERVE_TRUSTED_PROXIES"], env["SERVE_DECIDERS"] = "", "X-Forwarded-Email", podNetwork, decider
	migrate := exec.Command(program(c.t), "migrate", "--role", role, "--for", "serve")
	migrate.Env = []string{"DATABASE_URL=" + s.database.ConnString(), "SERVE_DECIDERS=" + decider, "SERVE_PROXY_HEADER=X-Forwarded-Email", "SERVE_TRUSTED_PROXIES=" + podNetwork}
	if out, err := migrate.CombinedOutput(); err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	database, err := url.Parse(s.databaseAt)
	if err != nil {
		c.t.Fatal(err)
	}
	database.User = url.UserPassword(role, "page")
	secret := c.secret(s, "billonce-serve")
	secret.StringData = map[string]string{"DATABASE_URL": database.String()}
	c.apply([]any{m.namespace})
	c.apply([]any{m.account, m.config, m.policy, secret, c.certificate("billonce-serve-tls"), m.page, m.service})
	c.do(nil, "wait", "--for=condition=Available", "--timeout=2m", "deployment/billonce-serve")
	return get[corev1.PodList](c, "pod", "-l", "app.kubernetes.io/name=billonce-serve").Items[0]
}

const podNetwork = "10.244.0.0/16"

// certificate is a Secret as cert-manager makes it.
func (c *cluster) certificate(name string) corev1.Secret {
	c.t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	made := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		c.t.Fatal(err)
	}
	return corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.namespace},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{
			corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made.Certificate[0]}),
			corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		},
	}
}

// provider is where people log in.
func (c *cluster) provider() *mockoidc.MockOIDC {
	c.t.Helper()
	provider, err := mockoidc.NewServer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(c.host, "0"))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := provider.Start(listener, nil); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = provider.Shutdown() })
	return provider
}

// proxy starts oauth2-proxy before the page, and returns its pod's name.
func (c *cluster) proxy(image string, provider *mockoidc.MockOIDC, page string) string {
	c.t.Helper()
	yes, no, user := true, false, int64(65532)
	pod := corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Name: "proxy", Namespace: c.namespace, Labels: map[string]string{"app": "proxy"}},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: &no,
			SecurityContext:              &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "proxy", Image: image, ImagePullPolicy: corev1.PullNever,
				Args: []string{
					"--provider=oidc", "--oidc-issuer-url=" + provider.Issuer(), "--client-id=" + provider.ClientID, "--client-secret=" + provider.ClientSecret,
					"--cookie-secret=0123456789abcdef0123456789abcdef", "--cookie-secure=false", "--email-domain=*", "--skip-provider-button",
					"--upstream=https://" + net.JoinHostPort(page, "8321"), "--ssl-upstream-insecure-skip-verify", "--http-address=0.0.0.0:4180",
				},
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
				ReadinessProbe:  &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ping", Port: intstr.FromInt(4180)}}, PeriodSeconds: 1},
			}},
		},
	}
	c.apply([]any{pod})
	c.do(nil, "wait", "--for=condition=Ready", "--timeout=2m", "pod/proxy")
	return pod.Name
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forward leads from an address of this machine to a pod's port; the pod sees loopback.
func (c *cluster) forward(pod, port string) (address string) {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(c.t.Context()))
	cmd := exec.CommandContext(ctx, c.kubectl, "port-forward", "-n", c.namespace, "pod/"+pod, ":"+port)
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { stop(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	found := forwarding.FindStringSubmatch(line)
	if found == nil {
		c.t.Fatalf("port-forward says %q: %v", line, err)
	}
	return found[1]
}

// browser keeps cookies, and follows where it is led.
type browser struct {
	t      testing.TB
	client http.Client
}

func newBrowser(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the test's own certificate
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t, http.Client{Jar: jar, Transport: transport}}
}

// logIn logs somebody in, who follows the proxy to the provider and back.
func logIn(t testing.TB, provider *mockoidc.MockOIDC, home, who string) *browser {
	t.Helper()
	user := mockoidc.DefaultUser()
	user.Subject, user.Email = "id-of-"+who, who
	provider.QueueUser(user)
	b := newBrowser(t)
	if code, text := b.get(home, ""); code != http.StatusOK || !strings.Contains(text, who) {
		t.Fatalf("%s has logged in, and sees %d\n%s", who, code, text)
	}
	return b
}

// get asks; forged is who the browser says it is in the proxy's header; empty: it does not.
func (b *browser) get(at, forged string) (int, string) { return b.ask(http.MethodGet, at, nil, forged) }

func (b *browser) post(at string, form url.Values, forged string) (int, string) {
	return b.ask(http.MethodPost, at, form, forged)
}

func (b *browser) ask(method, at string, form url.Values, forged string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if forged != "" {
		r.Header.Set("X-Forwarded-Email", forged)
	}
	reply, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

var pickPattern = regexp.MustCompile(`name="pick" value="([^"]*)"`)

// picksOf are what a form would send of the invoices that it has.
func picksOf(page string) (all []string) {
	for _, found := range pickPattern.FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(found[1]))
	}
	return all
}

// picksID is the invoice of one of them.
func picksID(pick string) string {
	var p struct{ ID string }
	if err := yaml.Unmarshal([]byte(pick), &p); err != nil {
		return err.Error()
	}
	return p.ID
}

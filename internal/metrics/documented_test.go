package metrics

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/billonce/billonce/internal/billing"
)

// finished is a run that has shown everything that there is to show.
func finished() *Metrics {
	m := sample()
	m.Finish(End{Summary: counted(0, 0), Code: billing.ExitDone, At: time.Unix(1e9, 0), Pending: 3, Database: billing.Identity{Timeline: "00000001"}})
	return m
}

func families(t *testing.T, m *Metrics) []*dto.MetricFamily {
	t.Helper()
	all, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func file(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The manual's table holds every metric with its type and its labels, in the
// order in which Prometheus shows them.
func TestTheTableIsComplete(t *testing.T) {
	t.Parallel()
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(billonce_\\w+)(?:\\{(\\w+)\\})?` \\| (\\w+) \\| .+ \\|$").
		FindAllStringSubmatch(file(t, "docs/operations.md"), -1) {
		got = append(got, row[1]+" "+row[2]+" "+row[3])
	}
	var want []string
	for _, f := range families(t, finished()) {
		label := ""
		if l := f.GetMetric()[0].GetLabel(); len(l) > 0 {
			label = l[0].GetName()
		}
		want = append(want, f.GetName()+" "+label+" "+strings.ToLower(f.GetType().String()))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/operations.md (-metrics +table):\n%s", diff)
	}
}

// A panel or an alert on a name that is nowhere stays silent for ever. So does
// one on a value of a label.
func TestAlertsAndDashboardUseWhatExists(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	values := map[string]bool{`run_name=~"$run_name"`: true}
	for _, f := range families(t, finished()) {
		names[f.GetName()] = true
		if f.GetType() == dto.MetricType_HISTOGRAM {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[f.GetName()+suffix] = true
			}
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				values[l.GetName()+`="`+l.GetValue()+`"`] = true
			}
		}
	}
	for path, selectors := range map[string]string{
		"deploy/prometheus/alerts.yaml": `\{([^{}$]+=[^{}]+)\}`,
		"deploy/grafana/billonce.json":  `\{((?:\w+=~?\\"[^{}]+\\",? ?)+)\}`,
	} {
		text := file(t, path)
		found := regexp.MustCompile(`\bbillonce_\w+`).FindAllString(text, -1)
		if len(found) < 5 {
			t.Errorf("%s: only %v", path, found)
		}
		for _, name := range found {
			if !names[name] {
				t.Errorf("%s: %s is no metric", path, name)
			}
		}
		matchers := regexp.MustCompile(selectors).FindAllStringSubmatch(text, -1)
		if len(matchers) == 0 {
			t.Errorf("%s: no selector is recognised", path)
		}
		for _, found := range matchers {
			if matcher := strings.ReplaceAll(found[1], `\"`, `"`); !values[matcher] {
				t.Errorf("%s: nothing has %s", path, matcher)
			}
		}
	}
}

// Each alert says where the manual tells what to do.
func TestAlertsHaveTheirPlaceInTheManual(t *testing.T) {
	t.Parallel()
	alerts := file(t, "deploy/prometheus/alerts.yaml")
	manual := strings.ToLower(file(t, "docs/operations.md"))
	found := regexp.MustCompile(`runbook_url: https://github\.com/billonce/billonce/blob/main/docs/operations\.md#(\w+)`).FindAllStringSubmatch(alerts, -1)
	if len(found) != strings.Count(alerts, "- alert:") {
		t.Errorf("%d runbooks for %d alerts", len(found), strings.Count(alerts, "- alert:"))
	}
	for _, name := range found {
		if !slices.Contains(strings.Split(manual, "\n"), "#### "+name[1]) {
			t.Errorf("the manual has no heading %s", name[1])
		}
	}
}

// tool is a program of Debian's packages prometheus and prometheus-pushgateway;
// .ci/run installs them.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

func TestPromtoolFindsNoFault(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	addr, stop, err := finished().Serve(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lint := exec.Command(promtool, "check", "metrics")
	lint.Stdin = strings.NewReader(fetch(t, "http://"+addr+"/metrics"))
	if err := stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, check := range []*exec.Cmd{
		lint,
		exec.Command(promtool, "check", "rules", "../../deploy/prometheus/alerts.yaml"),
		exec.Command(promtool, "test", "rules", "../../deploy/prometheus/alerts.test.yaml"),
	} {
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", check, err, out)
		}
	}
}

// Two runs push to a real Pushgateway: the second one's metrics take the first
// one's place, and the time of the last success stays.
func TestARealPushgateway(t *testing.T) {
	t.Parallel()
	url := startGateway(t, tool(t, "prometheus-pushgateway"))
	group := map[string]string{"run_name": "invoices", "completion_index": "0"}
	first := finished()
	second := New(new(billing.Tally))
	second.Finish(End{Summary: counted(2, 0), Code: billing.ExitPerson, At: time.Unix(2e9, 0), Pending: 1})
	for _, m := range []*Metrics{first, second} {
		if err := m.Push(t.Context(), url, group); err != nil {
			t.Fatal(err)
		}
	}
	page := fetch(t, url+"/metrics")
	const labels = `completion_index="0",instance="",job="billonce",run_name="invoices"`
	for _, want := range []string{
		`billonce_run_exit_code{` + labels + `} 3`,
		`billonce_run_last_success_timestamp_seconds{` + labels + `} 1e+09`,
		`billonce_run_last_end_timestamp_seconds{` + labels + `} 2e+09`,
		`billonce_in_doubt{` + labels + `} 2`,
		`billonce_deliveries_total{` + labels + `,state="sent"} 0`,
		`billonce_pending{` + labels + `} 1`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}

func startGateway(t *testing.T, program string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	gateway := exec.Command(program, "--web.listen-address="+addr)
	if err := gateway.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = gateway.Process.Kill()
		_ = gateway.Wait()
	})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return "http://" + addr
		}
		<-tick.C
	}
	t.Fatal("the Pushgateway does not listen")
	return ""
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return string(text)
}

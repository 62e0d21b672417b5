package deploy_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

const (
	maxImageSize = 25 << 20
	loopback     = "127.0.0.1"
)

// container runs the image under test, as locked up as the manifests do it.
type container struct {
	t     testing.TB
	run   []string // podman run, or docker run, and flags of the machine
	image string
}

// newContainer skips the test where no image is given: `make test-image` does.
func newContainer(t testing.TB) container {
	t.Helper()
	image := os.Getenv("IMAGE")
	if image == "" {
		t.Skip("IMAGE names no image: run `make test-image`")
	}
	return container{t, strings.Fields(os.Getenv("CONTAINER_RUN")), image}
}

// tool calls podman, or docker, itself.
func (c container) tool(args ...string) string {
	c.t.Helper()
	out, err := exec.Command(c.run[0], args...).Output()
	if err != nil {
		c.t.Fatalf("%s %s: %v", c.run[0], strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// command is a container that runs batch with these arguments and nothing but
// this environment.
func (c container) command(name string, env []string, args ...string) *exec.Cmd {
	all := append(append([]string{}, c.run[1:]...),
		"--rm", "--name", name, "--network", "host", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
	for _, e := range env {
		all = append(all, "--env", e)
	}
	return exec.Command(c.run[0], append(append(all, c.image), args...)...)
}

// batch runs batch to its end, and returns its output and exit code.
func (c container) batch(env []string, args ...string) (string, int) {
	c.t.Helper()
	out, err := c.command("billonce-"+rand.Text(), env, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatal(err)
	}
	if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

func TestImageIsSmallAndAnonymous(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	var found []struct {
		Size   int64
		Config struct {
			User       string
			Entrypoint []string
		}
	}
	if err := json.Unmarshal([]byte(c.tool("image", "inspect", c.image)), &found); err != nil {
		t.Fatal(err)
	}
	image := found[0]
	if image.Size > maxImageSize {
		t.Errorf("%d bytes, want %d at most", image.Size, maxImageSize)
	}
	if image.Config.User != "65532:65532" || strings.Join(image.Config.Entrypoint, " ") != "/batch" {
		t.Errorf("runs as %q, %q", image.Config.User, image.Config.Entrypoint)
	}
}

func TestImageHoldsCertificatesAndNothingElse(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	id := c.tool("create", c.image)
	defer c.tool("rm", id)
	exported, err := exec.Command(c.run[0], "export", id).Output()
	if err != nil {
		t.Fatal(err)
	}
	var bundle []byte
	for files := tar.NewReader(bytes.NewReader(exported)); ; {
		file, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case file.Name == "etc/ssl/certs/ca-certificates.crt":
			if bundle, err = io.ReadAll(files); err != nil {
				t.Fatal(err)
			}
		case file.Typeflag == tar.TypeReg && file.Size > 0 && file.Name != "batch":
			t.Errorf("%s (%d bytes) is in the image", file.Name, file.Size)
		}
	}
	authorities := 0
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Error(err)
		}
		authorities++
	}
	if authorities < 100 {
		t.Errorf("%d certificate authorities", authorities)
	}
}

func TestImageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	stamp, err := exec.Command("./stamp.sh").Output()
	if err != nil {
		t.Fatal(err)
	}
	out, code := c.batch(nil, "--version")
	for word := range strings.FieldsSeq(string(stamp)) {
		if !strings.Contains(out, word) || code != 0 {
			t.Errorf("%s is missing in %q (exit code %d)", word, out, code)
		}
	}
}

// From an empty database to sent invoices, with nothing but the environment.
func TestImageBills(t *testing.T) {
	t.Parallel()
	const invoices = 500
	c := newContainer(t)
	s := newSite(t, loopback, invoices, billingfake.Config{})
	env := []string{"DATABASE_URL=" + s.databaseAt, "BILLING_URL=" + s.billingAt, "TZ=Pacific/Chatham"}
	for _, command := range []string{"migrate", "run"} {
		if out, code := c.batch(env, command); code != 0 {
			t.Fatalf("batch %s: exit code %d\n%s", command, code, out)
		}
	}
	s.wantBilledOnce(invoices)
	// A quarter of an hour off everybody else's: this zone is no coincidence.
	if out, _ := c.batch(env, "status"); !strings.Contains(out, "+13:45") && !strings.Contains(out, "+12:45") {
		t.Errorf("TZ has no effect:\n%s", out)
	}
}

func TestImageDrainsOnSIGTERM(t *testing.T) {
	t.Parallel()
	const invoices, enough = 20000, 200
	c := newContainer(t)
	underWay := make(chan struct{})
	var once sync.Once
	s := newSite(t, loopback, invoices, billingfake.Config{
		Latency: 50 * time.Millisecond,
		Before: func(in billingfake.Received) {
			if strings.HasSuffix(in.Invoice, fmt.Sprint(enough)) {
				once.Do(func() { close(underWay) })
			}
		},
	})
	s.migrate()
	name := "billonce-" + rand.Text()
	run := c.command(name, []string{"DATABASE_URL=" + s.databaseAt, "BILLING_URL=" + s.billingAt}, "run")
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	select {
	case <-underWay:
	case err := <-ended:
		t.Fatalf("the run ended: %v\n%s", err, out.String())
	}
	c.tool("kill", "--signal", "TERM", name)
	if err := <-ended; run.ProcessState.ExitCode() != 4 {
		t.Errorf("%v, want exit code 4\n%s", err, out.String())
	}
	judge := s.api.Summary()
	sent := query[int](s, "select count(*)::int from billonce.deliveries where state = 'sent'")
	if other := query[int](s, "select count(*)::int from billonce.deliveries where state not in ('sent', 'retry')"); other != 0 {
		t.Errorf("%d deliveries are neither sent nor to be tried again: %s", other, s.states())
	}
	if sent != judge.Effects || sent == 0 || sent == invoices {
		t.Errorf("%d sent, %d billed, of %d", sent, judge.Effects, invoices)
	}
}

// PID 1 is not ended by a signal's default action: batch does it itself, and not
// with the exit code of a wrong configuration.
func TestImageEndsAtOnceOnASecondSIGTERM(t *testing.T) {
	t.Parallel()
	c := newContainer(t)
	arrived := make(chan struct{}, 1)
	s := newSite(t, loopback, 1, billingfake.Config{
		Before: func(billingfake.Received) { arrived <- struct{}{} },
		Fault:  func(billingfake.Received) billingfake.Fault { return billingfake.ApplyThenHang{} },
	})
	s.migrate()
	name := "billonce-" + rand.Text()
	run := c.command(name, []string{
		"DATABASE_URL=" + s.databaseAt, "BILLING_URL=" + s.billingAt, "BILLING_TIMEOUT=1h", "DRAIN_TIMEOUT=1h",
	}, "run")
	stderr, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	<-arrived
	c.tool("kill", "--signal", "TERM", name)
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if strings.Contains(lines.Text(), "stopping:") {
			c.tool("kill", "--signal", "TERM", name)
		}
	}
	if err := run.Wait(); run.ProcessState.ExitCode() != 4 {
		t.Errorf("%v, want exit code 4", err)
	}
}

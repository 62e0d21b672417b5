package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"text/template"
	"time"

	"github.com/billonce/billonce/internal/fault"
)

// Timeout is how long telling takes at most, all of it together.
const Timeout = 3 * time.Second

// Settings are the environment's texts.
type Settings struct{ NotifyURL, NotifyBody, PingURL string }

// Config is whom to tell.
type Config struct {
	notify, ping string // empty: nobody
	body         *template.Template
}

// Parse reads the settings.
func Parse(s Settings) (Config, []fault.Fault) {
	body, err := parseBody(s.NotifyBody)
	faults := fault.In("NOTIFY_BODY", err)
	if s.NotifyBody != "" && s.NotifyURL == "" {
		faults = append(faults, fault.New("NOTIFY_BODY", "is set without NOTIFY_URL: set that too, or unset it"))
	}
	return Config{s.NotifyURL, s.PingURL, body}, faults
}

// Notifies says whether there is a NOTIFY_URL.
func (c Config) Notifies() bool { return c.notify != "" }

// Teller tells of one run. It is used by one goroutine.
type Teller struct {
	config  Config
	client  *http.Client
	started sync.WaitGroup
}

// New makes the teller of a run.
func New(c Config) *Teller {
	return &Teller{config: c, client: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // a POST that is moved would be followed as a GET
		},
	}}
}

// PingStart says that a run has begun. Nobody waits for it; failed hears why it was in vain.
func (t *Teller) PingStart(ctx context.Context, failed func(error)) {
	if t.config.ping == "" {
		return
	}
	t.started.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
		defer cancel()
		if err := t.ping(ctx, "start", nil); err != nil {
			failed(err)
		}
	})
}

// PingEnd says that the run has ended: well, or with its summary in JSON. A start that is
// still on its way is awaited, lest it count as a run that began after this one.
func (t *Teller) PingEnd(ctx context.Context, success bool, summary []byte) error {
	if t.config.ping == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	started := make(chan struct{})
	go func() { t.started.Wait(); close(started) }()
	select {
	case <-started:
	case <-ctx.Done():
		return fmt.Errorf("ping PING_URL: no answer within %s", Timeout)
	}
	if success {
		return t.ping(ctx, "", summary)
	}
	return t.ping(ctx, "fail", summary)
}

func (t *Teller) ping(ctx context.Context, word string, body []byte) error {
	to, err := url.Parse(t.config.ping)
	if err != nil {
		return errors.New("ping PING_URL: it is not a URL") // the error quotes it
	}
	if word != "" {
		to = to.JoinPath(word)
	}
	if err := t.post(ctx, to.String(), "application/json", body); err != nil {
		return fmt.Errorf("ping PING_URL: %w", err)
	}
	return nil
}

// Notify gives NOTIFY_URL a message. Without an error it has taken it.
func (t *Teller) Notify(ctx context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	body, contentType, err := m.body(t.config.body)
	if err == nil {
		err = t.post(ctx, t.config.notify, contentType, body)
	}
	if err != nil {
		return fmt.Errorf("notify NOTIFY_URL: %w", err)
	}
	return nil
}

// post has no URL in its errors: those of webhooks are secrets.
func (t *Teller) post(ctx context.Context, to, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return errors.New("it is not a URL")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := t.client.Do(req)
	switch failed := (*url.Error)(nil); {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", Timeout)
	case errors.As(err, &failed):
		return failed.Err
	case err != nil:
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096)) // a server may be slow to see that nobody listens
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/billonce/billonce/tools/lab"
)

const (
	times      = 7
	user       = "ann"
	userHeader = "X-User"
)

// page is a `batch serve`, and who is told of it.
type page struct {
	*lab.Service
	out io.Writer
}

// time asks for a page, or posts a form, and returns the page.
func (p page) time(ctx context.Context, path string, form url.Values) (text []byte, err error) {
	var took []time.Duration
	for range times {
		begun := time.Now()
		reply, err := p.ask(ctx, path, form)
		if err != nil {
			return nil, err
		}
		text, err = io.ReadAll(reply.Body)
		if err = errors.Join(err, reply.Body.Close()); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	fmt.Fprintf(p.out, "/%-20s %6.1f ms, at most %.1f ms\n", path, 1e3*took[times/2].Seconds(), 1e3*took[times-1].Seconds())
	return text, nil
}

// preview previews a decision about all invoices of a page.
func (p page) preview(ctx context.Context) error {
	list, err := p.time(ctx, "open?kind=in_doubt", nil)
	if err != nil {
		return err
	}
	form := url.Values{"decision": {"retry"}, "reason": {"not in their books"}}
	for _, found := range regexp.MustCompile(`name="pick" value="([^"]*)"`).FindAllSubmatch(list, -1) {
		form.Add("pick", html.UnescapeString(string(found[1])))
	}
	fmt.Fprintf(p.out, "a decision about %d invoices:\n", len(form["pick"]))
	_, err = p.time(ctx, "preview", form)
	return err
}

// ask asks for a page; with a form it posts it.
func (p page) ask(ctx context.Context, path string, form url.Values) (*http.Response, error) {
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, p.URL+"/"+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set(userHeader, user)
	reply, err := http.DefaultClient.Do(r)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("/%s: %s", path, reply.Status), reply.Body.Close())
	}
	return reply, err
}

// watched has readers watch, and says what they cost.
func (p page) watched(ctx context.Context, b *lab.Book, o options) error {
	watching, leave := context.WithTimeout(ctx, o.watch)
	defer leave()
	// One connection for each reading of the status.
	const sessions = "select sessions from pg_stat_database where datname = current_database()"
	var before, after int64
	if err := b.Conn.QueryRow(ctx, sessions).Scan(&before); err != nil {
		return err
	}
	var all errgroup.Group
	for range o.readers {
		all.Go(func() error { return p.follow(watching) })
	}
	if err := all.Wait(); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if err := b.Conn.QueryRow(ctx, sessions).Scan(&after); err != nil {
		return err
	}
	memory, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%d readers that watch: the status is read %.1f times a second; the page's memory at its peak (proc(5)): %s\n",
		o.readers, float64(after-before)/o.watch.Seconds(), regexp.MustCompile(`VmHWM:.*`).Find(memory))
	return nil
}

// follow watches until ctx ends.
func (p page) follow(ctx context.Context) error {
	reply, err := p.ask(ctx, "live", nil)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if _, err = io.Copy(io.Discard, reply.Body); ctx.Err() != nil {
		return nil
	}
	return err
}

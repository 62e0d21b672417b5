//go:build failpoints

package failpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	variable     = "BILLONCE_FAILPOINTS"
	defaultDelay = 100 * time.Millisecond
)

// order is what is to happen at a point.
type order struct {
	action   string
	argument time.Duration
	at       int64 // the hit at which it happens
	hits     atomic.Int64
}

func (o *order) due() bool { return o.hits.Add(1) == o.at }

func parse(text string) (map[string]*order, error) {
	all := make(map[string]*order)
	for item := range strings.SplitSeq(text, ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, rest, _ := strings.Cut(item, "=")
		o, err := parseOrder(name, rest)
		if err == nil && all[name] != nil {
			err = errors.New("the point is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %q: %w", variable, item, err)
		}
		all[name] = o
	}
	return all, nil
}

func parseOrder(name, text string) (*order, error) {
	i := slices.IndexFunc(Points(), func(p Point) bool { return p.Name == name })
	if i < 0 {
		return nil, errors.New("no such point")
	}
	text, hit, numbered := strings.Cut(text, "@")
	action, argument, given := strings.Cut(text, ":")
	o := &order{action: action, at: 1}
	var err error
	if numbered {
		if o.at, err = strconv.ParseInt(hit, 10, 64); err != nil || o.at < 1 {
			return nil, errors.New("behind @ stands the number of a hit, from 1")
		}
	}
	if given {
		if o.argument, err = time.ParseDuration(argument); err != nil || o.argument <= 0 {
			return nil, errors.New("behind the colon stands a duration, as in stop:2s")
		}
	}
	switch {
	case action == "delay" && !given:
		o.argument = defaultDelay
	case action == "delay", action == "stop":
	case action == "error" && !Points()[i].CanFail:
		return nil, errors.New("no error can be returned there")
	case action != "kill" && action != "error":
		return nil, errors.New("the actions are kill, stop, delay and error")
	case given:
		return nil, fmt.Errorf("%s has no argument", action)
	}
	return o, nil
}

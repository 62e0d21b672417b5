package reconcile

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseTime reads a time: with its zone, or in the given one. A day is its beginning.
func ParseTime(text string, zone *time.Location) (time.Time, error) {
	return Form{Zone: zone}.readTime(text)
}

func (f Form) readTime(text string) (time.Time, error) {
	zone := f.Zone
	if zone == nil {
		zone = time.UTC
	}
	layouts := []string{ // but for these two, names of zones are not unique
		time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700",
		"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -07:00",
		"2006-01-02 15:04:05 UTC", "2006-01-02 15:04:05 GMT", time.RFC1123Z,
		"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "20060102",
		"02.01.2006 15:04:05", "02.01.2006 15:04", "02.01.2006",
	}
	switch f.Dates {
	case "mdy":
		layouts = append(layouts, "1/2/2006 15:04:05", "1/2/2006 15:04", "1/2/2006")
	case "dmy":
		layouts = append(layouts, "2/1/2006 15:04:05", "2/1/2006 15:04", "2/1/2006")
	}
	for _, layout := range layouts {
		in := zone
		if layout[len(layout)-1] == 'C' || layout[len(layout)-1] == 'T' {
			in = time.UTC // UTC and GMT, of which time.Parse knows only the first
		}
		if t, err := time.ParseInLocation(layout, text, in); err == nil {
			return sane(t, text)
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		switch len(text) {
		case len("1700000000"):
			return sane(time.Unix(n, 0), text)
		case len("1700000000000"):
			return sane(time.UnixMilli(n), text)
		}
	}
	if f.Dates == "" && strings.Contains(text, "/") {
		return time.Time{}, fmt.Errorf("time %q: say whether the month or the day comes first, with --dates mdy or --dates dmy", cut(text))
	}
	return time.Time{}, fmt.Errorf("time %q is none that is known here: write for example 2026-01-31T23:59:59Z", cut(text))
}

func sane(t time.Time, text string) (time.Time, error) {
	if t.Year() < 1990 || t.Year() > 2200 {
		return t, fmt.Errorf("time %q is in the year %d", cut(text), t.Year())
	}
	return t, nil
}

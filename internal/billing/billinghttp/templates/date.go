package templates

import (
	"errors"
	"fmt"
	"time"
	_ "time/tzdata" // the image has no zones of its own, and a date must not depend on it

	"github.com/billonce/billonce/internal/words"
)

// toDate writes a date or a time as an API has it: {{.due_on | date "02.01.2006" "Europe/Berlin"}}.
// What names no zone is a wall's time in that zone.
func toDate(layout, zone string, value any) (string, error) {
	location, err := parseZone(zone)
	if err != nil {
		return "", err
	}
	if err := checkLayout(layout); err != nil {
		return "", err
	}
	text, err := toText(value)
	if err != nil {
		return "", err
	}
	// As PostgreSQL writes JSON: date, timestamp, timestamptz. A year beyond 9999 or
	// before Christ, and infinity, are none of these.
	for _, form := range []string{time.DateOnly, "2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		if t, err := time.ParseInLocation(form, text, location); err == nil {
			return t.Format(layout), nil
		}
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05Z07"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.In(location).Format(layout), nil
		}
	}
	return "", errors.New("the column is no date and no time")
}

func parseZone(zone string) (*time.Location, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return nil, fmt.Errorf("%q is no time zone; one is written as UTC or Europe/Berlin", words.Printable(zone))
	}
	return location, nil
}

// checkLayout refuses a layout in which nothing of a time stands: YYYY-MM-DD would be
// sent as it is.
func checkLayout(layout string) error {
	one := time.Date(1971, 2, 3, 4, 5, 6, 789, time.FixedZone("A", 3600))
	other := time.Date(2048, 11, 27, 18, 39, 47, 123456789, time.FixedZone("B", -7200))
	if one.Format(layout) == other.Format(layout) {
		return fmt.Errorf("%q is no layout; write how 2 January 2006, 15:04:05 would look: 2006-01-02", words.Printable(layout))
	}
	return nil
}

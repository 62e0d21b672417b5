package desk

import "time"

// Night is what the runs that began on one day came to.
type Night struct {
	Day   time.Time `json:"day"`
	Runs  int64     `json:"runs"`
	Sent  int64     `json:"sent"`
	Worst int       `json:"worst_exit_code"` // of those that ended; a killed one counts as 1
}

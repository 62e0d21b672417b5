package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/billonce/billonce/internal/desk"
)

// narrowing is which of all deliveries a person means.
type narrowing struct {
	run, since string
	httpStatus int
}

func (n *narrowing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.run, "run", "", "of --all-…: those that the run of this id has left")
	cmd.Flags().StringVar(&n.since, "since", "", "of --all-…: those that have come into their state since this time: 2026-03-01, 2026-03-01T03:00:00Z, or 12h")
	cmd.Flags().IntVar(&n.httpStatus, "http-status", 0, "of --all-…: those that the API answered with this status: 404")
}

// check finds wrong usage before anything is touched; all: the invoices are not named.
func (n narrowing) check(all bool) error {
	if n == (narrowing{}) {
		return nil
	}
	if !all {
		return errors.New("--run, --since and --http-status narrow --all-in-doubt and --all-failed")
	}
	if _, err := uuid.Parse(n.run); n.run != "" && err != nil {
		return fmt.Errorf("--run takes a run's id, as `batch status --json` has it: %q is none", n.run)
	}
	if n.httpStatus != 0 && (n.httpStatus < 100 || n.httpStatus > 599) {
		return fmt.Errorf("--http-status: %d is no HTTP status", n.httpStatus)
	}
	_, err := parseSince(n.since, time.Now())
	return err
}

// of are those that are meant; what is wrong with the flags, check has told.
func (n narrowing) of(deliveries []desk.Delivery) []desk.Delivery {
	run, _ := uuid.Parse(n.run)
	since, _ := parseSince(n.since, time.Now())
	return slices.DeleteFunc(deliveries, func(d desk.Delivery) bool {
		return n.run != "" && d.RunID != run ||
			n.since != "" && d.UpdatedAt.Before(since) ||
			n.httpStatus != 0 && d.HTTPStatus != n.httpStatus
	})
}

// none is said where there is nothing to decide.
func (n narrowing) none(kind desk.Kind) string {
	if n == (narrowing{}) {
		return kind.None
	}
	return "None of those that are " + kind.Word + " are meant by --run, --since and --http-status."
}

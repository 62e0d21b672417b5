package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What may succeed if it is tried again, and after what the connection is gone.
func TestErrorsThatPass(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err           error
		passing, lost bool
	}{
		{&pgconn.PgError{Code: "57P01"}, true, true}, // admin_shutdown
		{&pgconn.PgError{Code: "57P02"}, true, true}, // crash_shutdown
		{&pgconn.PgError{Code: "57P03"}, true, true}, // cannot_connect_now
		{&pgconn.PgError{Code: "57P05"}, true, true}, // idle_session_timeout
		{&pgconn.PgError{Code: "25P03"}, true, true}, // idle_in_transaction_session_timeout
		{&pgconn.PgError{Code: "25P04"}, true, true}, // transaction_timeout
		{&pgconn.PgError{Code: "08006"}, true, true}, // connection_failure
		{&pgconn.PgError{Code: "53300"}, true, true}, // too_many_connections
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true, true},
		{io.ErrUnexpectedEOF, true, true},
		{context.DeadlineExceeded, true, true},
		{&pgconn.PgError{Code: "53200"}, true, false},  // out_of_memory: the lock table is full
		{&pgconn.PgError{Code: "40001"}, true, false},  // serialization_failure
		{&pgconn.PgError{Code: "40P01"}, true, false},  // deadlock_detected
		{&pgconn.PgError{Code: "55P03"}, true, false},  // lock_not_available
		{&pgconn.PgError{Code: "57014"}, true, false},  // query_canceled
		{&pgconn.PgError{Code: "23514"}, false, false}, // check_violation
		{&pgconn.PgError{Code: "28P01"}, false, false}, // invalid_password
		{&pgconn.PgError{Code: "42501"}, false, false}, // insufficient_privilege
		{&pgconn.PgError{Code: "P0001"}, false, false}, // raise_exception
		{errors.New("anything else"), false, false},
	} {
		err := fmt.Errorf("do it: %w", c.err)
		if passing(err) != c.passing || connectionLost(err) != c.lost {
			t.Errorf("%v: passing %t, lost %t; want %t, %t", c.err, passing(err), connectionLost(err), c.passing, c.lost)
		}
	}
}

package advisory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// pooler is a connection pooler in transaction mode, reduced to what a proof
// meets: a client has a server process for a transaction, and then it is
// another client's. It speaks the simple protocol only.
type pooler struct {
	url        string
	roundRobin bool // else the process that was used last is used next
	version    string

	wg      sync.WaitGroup
	mu      sync.Mutex
	free    []*pgconn.HijackedConn
	clients []net.Conn
}

func newPooler(t testing.TB, server string, processes int, roundRobin bool) *pooler {
	t.Helper()
	p := &pooler{roundRobin: roundRobin}
	var all []*pgconn.HijackedConn
	for range processes {
		conn, err := pgconn.Connect(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		hijacked, err := conn.Hijack()
		if err != nil {
			t.Fatal(err)
		}
		all, p.version = append(all, hijacked), hijacked.ParameterStatuses["server_version"]
	}
	p.free = append(p.free, all...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.url = fmt.Sprintf("postgres://u@%s/d?sslmode=disable", l.Addr())
	p.wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.clients = append(p.clients, client)
			p.mu.Unlock()
			p.wg.Go(func() {
				_ = p.serve(client)
				_ = client.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for _, c := range p.clients {
			_ = c.Close()
		}
		p.mu.Unlock()
		for _, c := range all {
			_ = c.Conn.Close()
		}
		p.wg.Wait()
	})
	return p
}

func (p *pooler) take() *pgconn.HijackedConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return nil
	}
	i := len(p.free) - 1
	if p.roundRobin {
		i = 0
	}
	c := p.free[i]
	p.free = append(p.free[:i:i], p.free[i+1:]...)
	return c
}

func (p *pooler) give(c *pgconn.HijackedConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, c)
}

func (p *pooler) serve(conn net.Conn) error {
	client := pgproto3.NewBackend(conn, conn)
	if _, err := client.ReceiveStartupMessage(); err != nil {
		return err
	}
	client.Send(&pgproto3.AuthenticationOk{})
	client.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: p.version})
	client.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	client.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	client.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if err := client.Flush(); err != nil {
		return err
	}
	var server *pgconn.HijackedConn
	for {
		msg, err := client.Receive()
		if err != nil {
			return err
		}
		query, ok := msg.(*pgproto3.Query)
		if !ok {
			return fmt.Errorf("%T", msg)
		}
		if server == nil {
			if server = p.take(); server == nil {
				return errors.New("no server process is free")
			}
		}
		status, err := relay(client, server.Frontend, query)
		if err != nil {
			return err
		}
		// Before the client hears the answer: else its next query may find
		// another process free, and which one is chance.
		if status == 'I' {
			p.give(server)
			server = nil
		}
		if err := client.Flush(); err != nil {
			return err
		}
	}
}

// relay sends a query on, lays its answers ready for the client, and returns the
// state of the transaction.
func relay(client *pgproto3.Backend, server *pgproto3.Frontend, query *pgproto3.Query) (byte, error) {
	server.SendQuery(query)
	if err := server.Flush(); err != nil {
		return 0, err
	}
	for {
		msg, err := server.Receive()
		if err != nil {
			return 0, err
		}
		client.Send(msg)
		if ready, ok := msg.(*pgproto3.ReadyForQuery); ok {
			return ready.TxStatus, nil
		}
	}
}

// A transaction stays in one process, so claims are safe behind such a pooler;
// a session lock is not, whichever process comes next.
func TestProofsThroughATransactionPooler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		processes  int
		roundRobin bool
		seen       string
	}{
		{2, false, "a second connection got the lock"},
		{2, true, "a second connection got the lock"},
		{3, true, "the statements of one connection ran in two server processes"},
		{5, false, "a second connection got the lock"},
	} {
		t.Run(fmt.Sprintf("%d processes, round robin %t", c.processes, c.roundRobin), func(t *testing.T) {
			t.Parallel()
			db := newDB(t)
			p := newPooler(t, db, c.processes, c.roundRobin)
			a, b := connect(t, p.url), connect(t, p.url)
			for range 3 {
				if err := ProveTransactionLocks(t.Context(), a, b); err != nil {
					t.Fatalf("transaction locks: %v", err)
				}
				var unsafe *UnsafeError
				if err := ProveSessionLocks(t.Context(), a, b); !errors.As(err, &unsafe) {
					t.Fatalf("session locks: %v, want an *UnsafeError", err)
				}
				if !strings.Contains(unsafe.Seen, c.seen) {
					t.Errorf("seen: %q, want %q", unsafe.Seen, c.seen)
				}
				if !strings.Contains(unsafe.Remedy, "LOCK_DATABASE_URL") {
					t.Errorf("the remedy names no way out: %v", unsafe)
				}
			}
			for _, conn := range []interface{ TxStatus() byte }{a.PgConn(), b.PgConn()} {
				if conn.TxStatus() != 'I' {
					t.Errorf("a proof left a transaction in state %c", conn.TxStatus())
				}
			}
		})
	}
}

// The heartbeat and the locking work behind a pooler, too.
func TestClaimThroughATransactionPooler(t *testing.T) {
	t.Parallel()
	p := newPooler(t, newDB(t), 2, true)
	a, b := connect(t, p.url), connect(t, p.url)
	begin(t, a)
	exec(t, a, TransactionSettings(a, 0))
	tryLockAll(t, a, 1, 2)
	w := StartWatch(context.Background(), a, 1, patience)
	begin(t, b)
	if got := tryLockAll(t, b, 2, 3); got[0] || !got[1] {
		t.Errorf("another client got %v", got)
	}
	exec(t, b, "commit")
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	exec(t, a, "commit")
}

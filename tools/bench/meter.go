package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// clockTick is the unit of the times in /proc/PID/stat (sysconf(_SC_CLK_TCK)).
const clockTick = 100

const (
	connectionsPoll = 20 * time.Millisecond
	settlePoll      = 50 * time.Millisecond
	runner          = "application_name like 'billonce%'"
)

// spent is what a run has cost the database.
type spent struct {
	CPU         float64 `json:"cpu_seconds"` // 0 where there is no /proc
	Commits     int64   `json:"commits"`
	WALBytes    int64   `json:"wal_bytes"`
	Connections int     `json:"connections"` // most at the same time
}

// meter reads it.
type meter struct {
	conn, watcher *pgx.Conn
	postmaster    int
	before        spent
	wal           string
	done          chan struct{}
	most          chan int
}

func newMeter(ctx context.Context, url string) (*meter, error) {
	m := &meter{}
	for _, conn := range []**pgx.Conn{&m.conn, &m.watcher} {
		c, err := pgx.Connect(ctx, url)
		if err != nil {
			return nil, err
		}
		*conn = c
	}
	var dir string
	if err := m.conn.QueryRow(ctx, "show data_directory").Scan(&dir); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	m.postmaster, err = strconv.Atoi(first)
	return m, err
}

func (m *meter) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = m.watcher.Close(ctx)
	return m.conn.Close(ctx)
}

// start begins a measurement behind a checkpoint: the first change to a page
// after it writes the whole page to WAL, and every round pays for the same ones.
func (m *meter) start(ctx context.Context) error {
	if _, err := m.conn.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	commits, err := m.commits(ctx)
	if err != nil {
		return err
	}
	if err := m.conn.QueryRow(ctx, "select pg_current_wal_insert_lsn()::text").Scan(&m.wal); err != nil {
		return err
	}
	m.before = spent{CPU: m.cpu(), Commits: commits}
	m.done, m.most = make(chan struct{}), make(chan int, 1)
	go m.watch(ctx)
	return nil
}

func (m *meter) stop(ctx context.Context) (spent, error) {
	close(m.done)
	s := spent{Connections: <-m.most, CPU: m.cpu() - m.before.CPU}
	commits, err := m.commits(ctx)
	if err != nil {
		return s, err
	}
	s.Commits = commits - m.before.Commits
	return s, m.conn.QueryRow(ctx, "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), $1::text::pg_lsn)::bigint", m.wal).Scan(&s.WALBytes)
}

func (m *meter) watch(ctx context.Context) {
	most := 0
	tick := time.NewTicker(connectionsPoll)
	defer tick.Stop()
	for {
		var n int
		if err := m.watcher.QueryRow(ctx, "select count(*) from pg_stat_activity where "+runner).Scan(&n); err == nil {
			most = max(most, n)
		}
		select {
		case <-tick.C:
		case <-m.done:
			m.most <- most
			return
		}
	}
}

// commits are final once the runner's backends are gone, which hand their counts
// in as they go, and two readings agree. Its own are in it: a few.
func (m *meter) commits(ctx context.Context) (int64, error) {
	for last := int64(-1); ; {
		var backends, commits int64
		err := m.conn.QueryRow(ctx, `select (select count(*) from pg_stat_activity where `+runner+`),
			(select xact_commit from pg_stat_database where datname = current_database())`).Scan(&backends, &commits)
		if err != nil {
			return 0, fmt.Errorf("read the number of commits: %w", err)
		}
		if backends == 0 && commits-last < 2 {
			return commits, nil
		}
		last = commits
		time.Sleep(settlePoll)
	}
}

// cpu is what the server has used so far: the postmaster, its children that
// have ended, and those that live (proc(5), /proc/pid/stat).
func (m *meter) cpu() float64 {
	ticks := int64(0)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, found := bytes.Cut(text, []byte(") ")) // behind the name, which may hold anything
		fields := strings.Fields(string(rest))
		if !found || len(fields) < 15 {
			continue
		}
		own := path == fmt.Sprintf("/proc/%d/stat", m.postmaster)
		switch {
		case own:
			ticks += sum(fields[11:15])
		case fields[1] == strconv.Itoa(m.postmaster):
			ticks += sum(fields[11:13])
		}
	}
	return float64(ticks) / clockTick
}

func sum(fields []string) (n int64) {
	for _, f := range fields {
		v, _ := strconv.ParseInt(f, 10, 64) // the kernel writes numbers
		n += v
	}
	return n
}

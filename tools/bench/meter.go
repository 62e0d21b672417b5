package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/compare/meter"
)

// clockTick is the unit of the times in /proc/PID/stat (sysconf(_SC_CLK_TCK)).
const clockTick = 100

// spent is what a run has cost the database.
type spent struct {
	CPU         float64 `json:"cpu_seconds"` // 0 where there is no /proc
	Commits     int64   `json:"commits"`     // transactions that wrote
	WALBytes    int64   `json:"wal_bytes"`
	Connections int     `json:"connections"` // most at the same time
}

// serverMeter reads it: the meter of the comparison, and the server's CPU.
type serverMeter struct {
	*meter.Meter
	url        string
	postmaster int
	before     float64
	observer   *meter.Observer
}

func newMeter(ctx context.Context, url string) (*serverMeter, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	m := &serverMeter{Meter: &meter.Meter{Conn: conn, Sessions: "billonce", Checkpoints: true}, url: url}
	var dir string
	if err := conn.QueryRow(ctx, "show data_directory").Scan(&dir); err != nil {
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

func (m *serverMeter) start(ctx context.Context) error {
	if err := m.Start(ctx); err != nil {
		return err
	}
	if err := m.Signal(ctx); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, m.url)
	if err != nil {
		return err
	}
	m.observer = meter.Observe(ctx, conn, m.Sessions, false)
	m.before = m.cpu()
	return nil
}

func (m *serverMeter) stop(ctx context.Context) (s spent, err error) {
	s.CPU = m.cpu() - m.before
	seen, err := m.observer.Close(ctx)
	cost, rerr := m.Read(ctx, seen.Looks)
	s.Connections, s.Commits, s.WALBytes = seen.Connections, cost.Commits, cost.WALBytes
	return s, errors.Join(err, rerr)
}

// cpu is what the server has used so far: the postmaster, its children that
// have ended, and those that live (proc(5), /proc/pid/stat).
func (m *serverMeter) cpu() float64 {
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

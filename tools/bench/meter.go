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
	meter.Cost
	cpu         float64 // in seconds; 0 where there is no /proc
	connections int     // most at the same time
}

// serverMeter reads it: the meter of the comparison, and the server's CPU.
type serverMeter struct {
	meter.Meter
	observer   *meter.Observer
	postmaster int
	before     float64
}

func (b bencher) startMeter(ctx context.Context) (*serverMeter, error) {
	m := &serverMeter{Meter: meter.Meter{Conn: b.Conn, Sessions: "billonce", Checkpoints: true}, postmaster: b.Server.PID()}
	if err := errors.Join(m.Start(ctx), m.Signal(ctx)); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, b.Conn.Config())
	if err != nil {
		return nil, err
	}
	m.observer = meter.Observe(ctx, conn, m.Sessions, false)
	m.before = m.cpu()
	return m, nil
}

func (m *serverMeter) stop(ctx context.Context) (s spent, err error) {
	s.cpu = m.cpu() - m.before
	seen, err := m.observer.Close(ctx)
	cost, rerr := m.Read(ctx, seen.Looks)
	s.Cost, s.connections = cost, seen.Connections
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

package pgstore

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Each way in which no connection comes to be has a remedy of its own, in one line.
func TestUnreachableSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][2]string{
		"postgres://u:s3cret@127.0.0.1:1/d":               {"nothing listens at 127.0.0.1:1", "listen_addresses"},
		"postgres://u:s3cret@no-such-host.invalid:5432/d": {"no-such-host.invalid", "DNS"},
		"postgres:///d?host=/nowhere&user=u":              {"no socket /nowhere/.s.PGSQL.5432", "the folder"},
	} {
		cfg, err := ParseURL(url, "test")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.ConnectConfig(t.Context(), cfg)
		if err == nil {
			_ = conn.Close(t.Context())
			t.Fatalf("%s: connected", url)
		}
		seen, remedy := Unreachable("DATABASE_URL", cfg, err)
		if !strings.Contains(seen, want[0]) || !strings.Contains(remedy, want[1]) || strings.Contains(seen+remedy, "s3cret") || strings.Contains(seen+remedy, "\n") {
			t.Errorf("%s: %q, %q", url, seen, remedy)
		}
	}
}

// So has each way in which the server turns a session away, or isn't trusted; a command
// has a line of its own.
func TestTurnedAwaySaysWhatToDo(t *testing.T) {
	t.Parallel()
	cfg, err := ParseURL("postgres://u:s3cret@db.example:5432/d?sslmode=require", "test")
	if err != nil {
		t.Fatal(err)
	}
	said := func(code, message string) error {
		return &pgconn.PgError{Severity: "FATAL", Code: code, Message: message}
	}
	const hba = `no pg_hba.conf entry for host "10.0.0.7", user "u", database "d", SSL encryption`
	for name, c := range map[string]struct {
		err          error
		seen, remedy string
	}{
		"password":    {said("28P01", `password authentication failed for user "u"`), "password", "\n    \\password \"u\""},
		"database":    {said("3D000", `database "d" does not exist`), "does not exist", "\n    createdb d"},
		"pg_hba":      {said("28000", hba), "pg_hba", "\n    hostssl \"d\" \"u\" 10.0.0.7/32 scram-sha-256"},
		"role":        {said("28000", `role "u" does not exist`), "does not exist", "\n    create role \"u\" login;"},
		"login":       {said("28000", `role "u" is not permitted to log in`), "not permitted", "\n    alter role \"u\" login;"},
		"full":        {said("53300", "sorry, too many clients already"), "too many", "max_connections"},
		"starting":    {said("57P03", "the database system is starting up"), "starting", "Wait"},
		"other":       {said("XX000", "odd"), "SQLSTATE XX000", "server's log"},
		"authority":   {x509.UnknownAuthorityError{}, "not trusted", "sslrootcert"},
		"name":        {x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"other.example"}}, Host: "db.example"}, "not for db.example", ": other.example"},
		"expired":     {x509.CertificateInvalidError{Reason: x509.Expired}, "expired", "clock"},
		"without TLS": {errors.New("server refused TLS connection"), "no TLS", "ssl = on"},
		"silent":      {context.DeadlineExceeded, "did not answer", "firewall"},
	} {
		seen, remedy := Unreachable("DATABASE_URL", cfg, fmt.Errorf("connect: %w", c.err))
		if !strings.Contains(seen, c.seen) || !strings.Contains(remedy, c.remedy) || strings.Contains(seen+remedy, "s3cret") || strings.Contains(seen, "\n") {
			t.Errorf("%s: %q, %q", name, seen, remedy)
		}
	}
}

// A long line of SQL is cut around what PostgreSQL points at; letters that take two
// columns move the caret.
func TestExcerpts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		at   int
		want string
	}{
		{"a = b", 4, "a = b\n    ^"},
		{"'請求' = b", 7, "'請求' = b\n         ^"},
		{strings.Repeat("x", 100) + "b" + strings.Repeat("y", 100), 100, "…" + strings.Repeat("x", 40) + "b" + strings.Repeat("y", 23) + "…\n" + strings.Repeat(" ", 41) + "^"},
		{"b" + strings.Repeat("y", 100), 0, "b" + strings.Repeat("y", 63) + "…\n^"},
		{strings.Repeat("x", 100), 100, "…" + strings.Repeat("x", 40) + "\n" + strings.Repeat(" ", 41) + "^"},
	} {
		text, column := excerpt([]rune(c.line), c.at)
		if got := text + "\n" + strings.Repeat(" ", column) + "^"; got != c.want {
			t.Errorf("\n%s\nwant\n%s", got, c.want)
		}
	}
}

func TestPasswordsThatAreNotEncoded(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"postgres://u:pa#s3cret@h/d": true, "postgres://u:pa/s3cret@h/d": true, "postgres://u:12#s3cret@h/d": true, "postgres://u:pa%zz@h/d": true,
		"postgres://u:pa%23s@h/d": false, "postgres://h:5432/d?user=me@server": false,
	} {
		faults := CheckURL("DATABASE_URL", url)
		if (len(faults) == 1 && strings.Contains(faults[0].Problem, "percent-encoded")) != want || len(faults) == 1 && strings.Contains(faults[0].Problem, "s3cret") {
			t.Errorf("%s: %v", url, faults)
		}
	}
}

func TestParametersThatAreWrong(t *testing.T) {
	t.Parallel()
	for parameters, want := range map[string]string{
		"sslmode=verify":                      "verify-full",
		"target_session_attrs=primari":        "read-write",
		"connect_timeout=soon":                "connect_timeout=10",
		"sslmode=require&sslcert=a":           "both",
		"sslmode=verify-full&sslrootcert=no":  "no such file",
		"sslmode=disable&sslcert=a&sslkey=no": "",
	} {
		faults := CheckURL("DATABASE_URL", "postgres://u:s3cret@h/d?"+parameters)
		if want == "" && len(faults) != 0 || want != "" && (len(faults) != 1 || !strings.Contains(faults[0].Problem, want) || strings.Contains(faults[0].Problem, "s3cret")) {
			t.Errorf("%s: %v, want %q", parameters, faults, want)
		}
	}
}

package doctor

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/advisory"
)

// oldest is the oldest PostgreSQL that the tests are run with.
const oldest = 130000

func examineServer(ctx context.Context, e *exam) (Finding, error) {
	var version string
	var number int
	err := e.main[0].QueryRow(ctx, advisory.OnPrimary+"select current_setting('server_version'), current_setting('server_version_num')::int").Scan(&version, &number)
	if err != nil {
		return Finding{}, err
	}
	where := net.JoinHostPort(e.main[0].Config().Host, portOf(e.main[0].Config().Port))
	if number < oldest {
		return warning("Upgrade the server: 13 is the oldest version that is tried", "PostgreSQL %s at %s", version, where), nil
	}
	return ok("PostgreSQL %s at %s, database %s, role %s", version, where, e.main[0].Config().Database, e.main[0].Config().User), nil
}

// examineEncryption looks at the connections themselves, not at what was asked
// for: sslmode=prefer goes on without where the server has none.
func examineEncryption(_ context.Context, e *exam) (Finding, error) {
	const remedy = "Put sslmode=verify-full and sslrootcert into the URL (PostgreSQL's manual, 34.19)"
	seen := "none, on a connection within this machine"
	for _, conn := range []*pgx.Conn{e.main[0], e.lock[0]} {
		way := conn.PgConn().Conn()
		remote := way.RemoteAddr()
		tcp, isTCP := remote.(*net.TCPAddr)
		_, encrypted := way.(*tls.Conn)
		config := conn.Config().TLSConfig
		switch {
		case encrypted && (config == nil || config.InsecureSkipVerify):
			return warning(remedy, "the connection to %s is encrypted, but whose server it is was not verified", remote), nil
		case encrypted:
			seen = "TLS, and the server's name and certificate are verified"
		case isTCP && !tcp.IP.IsLoopback():
			return warning(remedy, "the connection to %s is not encrypted: whoever listens reads the invoices and can take the session over", remote), nil
		}
	}
	return ok("%s", seen), nil
}

func examinePooler(ctx context.Context, e *exam) (Finding, error) {
	main, err := advisory.Pooled(ctx, e.main[0])
	if err != nil {
		return Finding{}, err
	}
	lock, err := advisory.Pooled(ctx, e.lock[0])
	switch {
	case err != nil:
		return Finding{}, err
	case lock && e.RunLock != "off":
		return warning("Let LOCK_DATABASE_URL lead to PostgreSQL itself; or give the pooler (PgBouncer) tcp_keepalive=1, tcp_keepidle=30, tcp_keepintvl=10, tcp_keepcnt=3",
			"the run lock is held through a pooler, which decides when a lost runner's lock is freed"), nil
	case main:
		return warning("Give the pooler (PgBouncer) tcp_keepalive=1, tcp_keepidle=30, tcp_keepintvl=10, tcp_keepcnt=3, and no idle_transaction_timeout or query_timeout",
			"DATABASE_URL leads through a pooler: when a lost runner's locks are freed is its matter; statements are not prepared"), nil
	}
	return ok("none between here and the server"), nil
}

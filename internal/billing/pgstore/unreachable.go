package pgstore

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/billonce/billonce/internal/pgerr"
	"github.com/billonce/billonce/internal/words"
)

// Unreachable says in one line why no connection came to be, and what to do about it: in
// one line, and in another, indented, the command if there is one. variable is where cfg
// is from.
func Unreachable(variable string, cfg *pgx.ConnConfig, err error) (seen, remedy string) {
	at := net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		at = fmt.Sprintf("%s/.s.PGSQL.%d", strings.TrimSuffix(cfg.Host, "/"), cfg.Port)
	}
	if pg := pgerr.From(err); pg != nil {
		seen, remedy := turnedAway(variable, cfg, pg.Code, pg.Message)
		return at + ": " + words.Squeeze(pg.Message) + seen, remedy
	}
	var noHost *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &noHost) && noHost.IsNotFound:
		return "there is no host " + cfg.Host, "Check the host's name in " + variable + ", and that this machine's DNS knows it"
	case errors.As(err, &noHost):
		return "DNS does not say where " + cfg.Host + " is", "Check this machine's DNS; in a cluster, the NetworkPolicy's port 53"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + at, "Check host and port in " + variable + ", that PostgreSQL runs, and its listen_addresses"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOENT):
		return "there is no socket " + at, "Check the folder and the port in " + variable + ", and that PostgreSQL runs"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to " + at, "Check the host in " + variable + ", the network, and in a cluster the NetworkPolicy"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return at + " did not answer in time", "Check host and port in " + variable + ", and what stands between: a firewall, a security group, a NetworkPolicy"
	}
	if seen, remedy := untrusted(variable, cfg.Host, err); remedy != "" {
		return at + ": " + seen, remedy
	}
	return "can't connect to " + at + ": " + words.Squeeze(innermost(err).Error()), "Check " + variable + ", the network and the server's log"
}

// turnedAway is why the server refuses a session, beyond what it says.
func turnedAway(variable string, cfg *pgx.ConnConfig, code, message string) (more, remedy string) {
	switch code {
	case pgerrcode.InvalidPassword:
		return "", "Correct the password in " + variable + " (percent-encode what is special in a URL), or as a superuser, in psql:\n    \\password " + pgx.Identifier{cfg.User}.Sanitize()
	case pgerrcode.InvalidCatalogName:
		return "", "Correct the database's name in " + variable + ", or create it:\n    createdb " + words.ShellWord(cfg.Database)
	case pgerrcode.TooManyConnections:
		return "", "Raise max_connections, or the role's or the database's CONNECTION LIMIT, or end other sessions"
	case pgerrcode.CannotConnectNow:
		return "", "Wait until the server has started"
	case pgerrcode.InvalidAuthorizationSpecification:
		switch {
		case strings.Contains(message, "pg_hba.conf") && cfg.TLSConfig == nil:
			return "", "Say sslmode=verify-full in " + variable + " if the server wants TLS, or add to its pg_hba.conf, and reload it:\n    " + hbaLine("host", cfg, message)
		case strings.Contains(message, "pg_hba.conf"):
			return "", "Add to the server's pg_hba.conf, and reload it:\n    " + hbaLine("hostssl", cfg, message)
		case strings.Contains(message, "not permitted to log in"):
			return "", "As a superuser:\n    alter role " + pgx.Identifier{cfg.User}.Sanitize() + " login;"
		}
		return "", "Correct the role in " + variable + ", or create it as a superuser:\n    create role " + pgx.Identifier{cfg.User}.Sanitize() + " login;"
	}
	return " (SQLSTATE " + code + ")", "Look at the server's log"
}

// hbaLine lets this client in, by the address that the server saw.
func hbaLine(kind string, cfg *pgx.ConnConfig, message string) string {
	address := "ADDRESS-OF-THIS-MACHINE/32"
	if _, from, found := strings.Cut(message, `host "`); found {
		seen, _, _ := strings.Cut(from, `"`)
		if ip, err := netip.ParseAddr(seen); err == nil {
			address = netip.PrefixFrom(ip, ip.BitLen()).String()
		}
	}
	return fmt.Sprintf(`%s %s %s %s scram-sha-256`, kind, pgx.Identifier{cfg.Database}.Sanitize(), pgx.Identifier{cfg.User}.Sanitize(), address)
}

// untrusted is what is wrong with TLS; without a remedy nothing is.
func untrusted(variable, host string, err error) (seen, remedy string) {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		return "its certificate is of an authority that is not trusted", "Name the authority's certificate in " + variable + ": sslrootcert=FILE"
	case errors.As(err, &name):
		return "its certificate is not for " + host, "Write the host in " + variable + " as the certificate does: " + strings.Join(append(name.Certificate.DNSNames, name.Certificate.Subject.CommonName)[:1], "")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired, or is not valid yet", "Renew the server's certificate, or correct this machine's clock"
	case errors.As(err, &invalid):
		return "its certificate is not valid", "Look at the server's certificate"
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return "the server has no TLS", "Turn it on there (ssl = on), or say sslmode=disable in " + variable + " if the way is trusted"
	}
	return "", ""
}

// innermost is the cause: what wraps it has URL and host once more, in several lines.
func innermost(err error) error {
	for {
		switch wrapped := err.(type) { //nolint:errorlint // each layer by itself
		case interface{ Unwrap() error }:
			if wrapped.Unwrap() == nil {
				return err
			}
			err = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			all := wrapped.Unwrap()
			if len(all) == 0 {
				return err
			}
			err = all[len(all)-1]
		default:
			return err
		}
	}
}

// unescaped says that a URL's password seems to have a character that ends it there.
func unescaped(url string) bool {
	scheme, rest, found := strings.Cut(url, "://")
	if !found || scheme != "postgres" && scheme != "postgresql" {
		return false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 || strings.Contains(rest[:end], "@") {
		return false
	}
	beyond := rest[end:]
	if rest[end] != '#' { // a query may have an @: user=me@server
		beyond, _, _ = strings.Cut(beyond[1:], "?")
	}
	return strings.Contains(rest[:end], ":") && strings.Contains(beyond, "@")
}

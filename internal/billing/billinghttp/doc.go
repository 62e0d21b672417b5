// Package billinghttp sends invoices to a billing API over HTTP, once each.
//
// A generic HTTP client is built to get an answer; this one is built to know
// what it may say about a request without an answer. Four things follow:
//
//   - One call makes at most one request. net/http sends a POST again on its
//     own where it thinks that harmless; here every request passes a [gate],
//     which lets it on to one connection and no further.
//   - The permit is asked by the gate: after DNS, dial and TLS, immediately
//     before the first byte is written.
//   - `not_sent` is said only if the gate stayed shut. Whether the request was
//     written is observed at the connection, not guessed from errors.
//   - `accepted` is said only of a 2xx status line (and a body that matches
//     BILLING_SUCCESS, where that is set). Redirects are not followed: net/http
//     would turn a POST into a GET whose 200 looks like success.
//
// Proxies are taken from the environment (HTTPS_PROXY, NO_PROXY), private
// certificate authorities from SSL_CERT_FILE, as everywhere in Go.
package billinghttp

package web

import (
	"context"
	"net/http"
)

// policy lets a page load its own style sheet and script, and nothing else, from
// nowhere else; nobody may frame it (Content Security Policy Level 3).
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

type whoKey struct{}

// whoAsks is the reader whom the guard let in.
func whoAsks(ctx context.Context) reader {
	who, _ := ctx.Value(whoKey{}).(reader)
	return who
}

// guard stands before every page: it says what a browser may do with it, refuses forms
// of other sites, and lets in whom the door knows. The health check alone is open.
func guard(d *door, pages http.Handler) http.Handler {
	checked := http.NewCrossOriginProtection().Handler(pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if d.tls != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if r.Method == http.MethodGet && r.URL.Path == "/healthz" {
			_, _ = w.Write([]byte("ok\n"))
			return
		}
		who, refusal := d.open(r)
		switch refusal {
		case 0:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			checked.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, who)))
		case http.StatusUnauthorized:
			h.Set("WWW-Authenticate", `Basic realm="Billonce", charset="UTF-8"`)
			http.Error(w, "Log in with a name of SERVE_USERS_FILE.", refusal)
		case http.StatusTooManyRequests:
			h.Set("Retry-After", "30")
			http.Error(w, "Too many log-ins. Wait half a minute and try again.", refusal)
		default:
			http.Error(w, "This page doesn't know you. Come through its proxy, or as localhost.", refusal)
		}
	})
}

// maxForm is what a form may hold, in bytes: a file of decisions is the largest.
const maxForm = 8 << 20

package billingfake

import (
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Fault is a misbehaviour that a request meets, named after what happens
// physically.
type Fault interface {
	// applies says whether the charge is made before the fault.
	applies() bool
	// answer takes the place of the reply.
	answer(w http.ResponseWriter, req *http.Request, status int, text string)
}

// fault is a Fault made of its two parts.
type fault struct {
	effect bool
	act    func(w http.ResponseWriter, req *http.Request, status int, text string)
}

func (f fault) applies() bool { return f.effect }
func (f fault) answer(w http.ResponseWriter, req *http.Request, status int, text string) {
	f.act(w, req, status, text)
}

// Faults returns all faults by name.
func Faults() map[string]Fault {
	return map[string]Fault{
		"reset_before_apply":  fault{false, resetConnection},
		"apply_then_reset":    fault{true, resetConnection},
		"apply_then_500":      fault{true, status(http.StatusInternalServerError, "")},
		"apply_then_hang":     fault{true, hang},
		"apply_then_drip":     fault{true, drip},
		"apply_then_truncate": fault{true, truncate},
		"apply_then_close":    fault{true, closeConnection},
		"apply_then_garbage":  fault{true, garbage},
		"500_before_apply":    fault{false, status(http.StatusInternalServerError, "")},
		"503_retry_after":     fault{false, status(http.StatusServiceUnavailable, "1")},
		"429_retry_after":     fault{false, status(http.StatusTooManyRequests, "1")},
		"409_conflict":        fault{false, status(http.StatusConflict, "")},
		"400_refusal":         fault{false, status(http.StatusBadRequest, "")},
		"302_redirect":        fault{false, redirect},
		"200_with_error":      fault{false, okWithError},
	}
}

// ParseFaults reads "apply_then_500=0.05,reset_before_apply=0.01". Which request
// meets which fault depends on the seed, the invoice and its attempt, not on the
// order in which requests arrive.
func ParseFaults(text string, seed int64) (func(Received) Fault, error) {
	type share struct {
		fault Fault
		upTo  float64
	}
	all := Faults()
	var shares []share
	sum := 0.0
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		f, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("there is no fault %q; there are %s", name, strings.Join(faultNames(all), ", "))
		}
		p, err := strconv.ParseFloat(value, 64)
		if err != nil || !(p >= 0 && p <= 1) {
			return nil, fmt.Errorf("%q is not a probability; write for example %s=0.05", value, name)
		}
		sum += p
		shares = append(shares, share{f, sum})
	}
	if sum > 1 {
		return nil, fmt.Errorf("the probabilities add up to %g, more than 1", sum)
	}
	return func(r Received) Fault {
		h := fnv.New64a()
		_, _ = fmt.Fprintf(h, "%s %d", r.Invoice, r.Attempt)
		at := rand.New(rand.NewPCG(uint64(seed), h.Sum64())).Float64()
		for _, s := range shares {
			if at < s.upTo {
				return s.fault
			}
		}
		return nil
	}, nil
}

func faultNames(all map[string]Fault) []string {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// hijack takes the connection out of net/http's hands.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2: abort the stream instead
	}
	return conn
}

func resetConnection(w http.ResponseWriter, _ *http.Request, _ int, _ string) {
	conn := hijack(w)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // close sends RST instead of FIN
	}
	_ = conn.Close()
}

func closeConnection(w http.ResponseWriter, _ *http.Request, _ int, _ string) {
	_ = hijack(w).Close()
}

func hang(_ http.ResponseWriter, req *http.Request, _ int, _ string) {
	<-req.Context().Done()
}

// drip sends the status line, and then the body a byte at a time, for ever: each
// byte comes only once the one before it has left.
func drip(w http.ResponseWriter, req *http.Request, status int, _ string) {
	w.WriteHeader(status)
	out := http.NewResponseController(w)
	tick := time.NewTicker(dripInterval)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, " "); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-req.Context().Done():
			return
		}
	}
}

func truncate(w http.ResponseWriter, _ *http.Request, status int, text string) {
	conn := hijack(w)
	_, _ = fmt.Fprintf(conn, "HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n%s", status, len(text)+100, text)
	_ = conn.Close()
}

func garbage(w http.ResponseWriter, _ *http.Request, _ int, _ string) {
	conn := hijack(w)
	_, _ = io.WriteString(conn, "\x00\x01 this is no HTTP\r\n\r\n")
	_ = conn.Close()
}

func status(code int, retryAfter string) func(http.ResponseWriter, *http.Request, int, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ int, _ string) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		reply(w, code, fmt.Sprintf(`{"error":"%s"}`, http.StatusText(code)))
	}
}

func redirect(w http.ResponseWriter, _ *http.Request, _ int, _ string) {
	w.Header().Set("Location", "/ledger")
	reply(w, http.StatusFound, "")
}

func okWithError(w http.ResponseWriter, _ *http.Request, _ int, _ string) {
	reply(w, http.StatusOK, `{"error":"not today"}`)
}

const dripInterval = 50 * time.Millisecond

package billingfake

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// share is a fault's part of all requests: those whose number in [0, 1) is
// below upTo, and not below that of the share before it.
type share struct {
	fault Fault
	upTo  float64
}

// ParseFaults reads faults with their probabilities, and returns a choice for
// Config.Fault:
//
//	apply_then_500=0.05,reset_before_apply=0.02,reply_429:3s=0.01
//
// The choice depends on seed, invoice and attempt alone, not on the order in
// which requests arrive: so a run with many runners can be repeated. An empty
// text means no faults.
func ParseFaults(text string, seed int64) (func(Received) Fault, error) {
	shares, err := parseShares(text)
	if err != nil {
		return nil, err
	}
	return func(r Received) Fault {
		at := uniform(seed, r.Invoice, r.Attempt)
		for _, s := range shares {
			if at < s.upTo {
				return s.fault
			}
		}
		return nil
	}, nil
}

func parseShares(text string) ([]share, error) {
	var shares []share
	seen := map[string]bool{}
	total := 0.0
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		name, number, _ := strings.Cut(item, "=")
		p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(p >= 0 && p <= 1) { // not (p < 0 || p > 1): NaN
			return nil, fmt.Errorf("read fault %q: write name=probability, from 0 to 1", item)
		}
		fault, err := ParseFault(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		if seen[fault.String()] {
			return nil, fmt.Errorf("read fault %q: it is there twice", item)
		}
		seen[fault.String()] = true
		total += p
		shares = append(shares, share{fault, total})
	}
	const rounding = 1e-9 // ten times 0.1 is not quite 1
	if total > 1+rounding {
		return nil, fmt.Errorf("read faults: their probabilities add up to %g, more than 1", total)
	}
	return shares, nil
}

// FaultNames lists what ParseFault reads. Behind slow_drip, hang_then_apply
// and reply_… may stand a duration, as in reply_429:3s; 400 stands for any status from 400 on.
func FaultNames() []string {
	names := []string{"redirect_301", "redirect_302", "redirect_303", "redirect_307", "redirect_308", "reply_400", "reply_429", "reply_429_date"}
	for _, f := range simpleFaults() {
		names = append(names, f.String())
	}
	slices.Sort(names)
	return names
}

func simpleFaults() []Fault {
	return []Fault{
		ResetBeforeApply{},
		ApplyThenReset{},
		ApplyThen500{},
		ApplyThen500{Stored: true},
		ApplyThenHang{},
		HangThenApply{},
		SlowDrip{},
		Garbage{},
		Garbage{Applied: true},
		EmptyReply{},
		EmptyReply{Applied: true},
		TruncatedBody{},
		OKWithError{},
	}
}

// ParseFault reads a fault's name. It is the reverse of String.
func ParseFault(text string) (Fault, error) {
	for _, f := range simpleFaults() {
		if text == f.String() {
			return f, nil
		}
	}
	name, argument, given := strings.Cut(text, ":")
	var d time.Duration
	if given {
		var err error
		if d, err = time.ParseDuration(argument); err != nil || d <= 0 {
			return nil, fmt.Errorf("read fault %q: behind the colon stands a duration, as in reply_429:3s", text)
		}
	}
	if name == "slow_drip" {
		return SlowDrip{Every: d}, nil
	}
	if name == "hang_then_apply" {
		return HangThenApply{After: d}, nil
	}
	if status, found := strings.CutPrefix(name, "redirect_"); found && !given {
		switch status {
		case "301", "302", "303", "307", "308":
			n, err := strconv.Atoi(status)
			return Redirect{Status: n}, err
		}
	}
	if status, found := strings.CutPrefix(name, "reply_"); found {
		status, date := strings.CutSuffix(status, "_date")
		if n, err := strconv.Atoi(status); err == nil && n >= 400 && n <= 599 {
			return ReplyStatus{Status: n, RetryAfter: d, HTTPDate: date}, nil
		}
	}
	return nil, fmt.Errorf("read fault %q: no such fault; there are %s", text, strings.Join(FaultNames(), ", "))
}

// uniform maps a request to a number in [0, 1).
func uniform(seed int64, invoice string, attempt int) float64 {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], uint64(seed))
	binary.LittleEndian.PutUint64(b[8:], uint64(attempt))
	h.Write(b[:])
	h.Write([]byte(invoice))
	// FNV's high bits hardly depend on the last bytes written. These are the
	// last steps of splitmix64, which spread them.
	z := h.Sum64()
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}

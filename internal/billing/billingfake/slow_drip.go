package billingfake

import "time"

const defaultDrip = 100 * time.Millisecond

// SlowDrip has the effect, then sends its reply one byte at a time, from the
// status line on: a time-out on reading never strikes, only one on the whole.
type SlowDrip struct {
	Every time.Duration // between bytes; 0: 100 ms, which is some 20 s in all
}

func (f SlowDrip) String() string {
	if f.Every == 0 {
		return "slow_drip"
	}
	return "slow_drip:" + f.Every.String()
}

func (f SlowDrip) strike(x *exchange) {
	every := f.Every
	if every == 0 {
		every = defaultDrip
	}
	raw := x.apply().raw()
	conn := x.hijack()
	defer func() { _ = conn.Close() }()
	last := len(raw) - 1
	for i := range raw {
		if i == last {
			x.leave()
		}
		if _, err := conn.Write(raw[i : i+1]); err != nil || i == last || !x.api.wait(every) {
			return
		}
	}
}

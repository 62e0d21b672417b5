package engine

import "sync/atomic"

// inFlight counts the attempts that a sender has taken and is not done with.
type inFlight struct{ n atomic.Int64 }

func (f *inFlight) begin()     { f.n.Add(1) }
func (f *inFlight) end()       { f.n.Add(-1) }
func (f *inFlight) count() int { return int(f.n.Load()) }

// none says that no request is on its way: hardly a settlement will come, then.
func (f *inFlight) none() bool { return f.n.Load() == 0 }

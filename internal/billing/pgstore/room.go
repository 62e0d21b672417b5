package pgstore

import (
	"sync"
	"sync/atomic"
)

// room is how many locks one claim may hold, so that the server's lock table,
// which everybody needs, is not filled by us.
type room struct {
	most atomic.Int64
	told sync.Once
}

func (r *room) set(most int) { r.most.Store(int64(max(1, most))) }

// cut returns how many of n may be locked.
func (r *room) cut(n int) int { return min(n, int(r.most.Load())) }

// ClaimSize is how many invoices a claim may hold: want, unless this server's
// lock table has no room for that. It says so once.
func (s *Store) ClaimSize(want int) int {
	size := s.room.cut(want)
	if size < want {
		s.sayRoom(size)
	}
	return size
}

// MostClaims is how many claims of a size may be open where slow requests keep some of
// them so: twice the share, since that is rare and does not last.
func (s *Store) MostClaims(size int) int {
	return min(MostClaims, max(Claims, 2*Claims*int(s.room.most.Load())/max(1, size)))
}

// shrink lowers the room for the rest of the run, as the table was full: by
// now others have less than they need.
func (s *Store) shrink(most int) {
	for now := s.room.most.Load(); int64(most) < now; now = s.room.most.Load() {
		if s.room.most.CompareAndSwap(now, int64(max(1, most))) {
			break
		}
	}
	s.sayRoom(most)
}

func (s *Store) sayRoom(size int) {
	s.room.told.Do(func() {
		s.cfg.Log.Warn().Int("claim_size", size).
			Msg("the server's lock table has little room (raise max_locks_per_transaction): claims are smaller than CLAIM_SIZE")
	})
}

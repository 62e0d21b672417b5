package compare

import (
	"context"
	"errors"
	"sync"
	"time"

	"billonce/internal/billing/billingfake"
)

var errKilled = errors.New("killed by the story")

// stage is where an act's processes are started and killed.
type stage struct {
	story  Story
	script script
	scene  *scene

	mu     sync.Mutex
	actors map[string]actor
	killed bool
}

type actor struct {
	kill context.CancelCauseFunc
	gone chan struct{}
}

func newStage(s Story, sc script) *stage {
	return &stage{story: s, script: sc, scene: newScene(s.Out, s.Color, sc.idempotent), actors: map[string]actor{}}
}

// api judges the act, and is where the kill is ordered: nobody else knows the
// instant at which it has acted, and its reply has not left yet.
func (st *stage) api(ctx context.Context) billingfake.Config {
	return billingfake.Config{
		Idempotent: st.script.idempotent, Latency: st.script.latency,
		Before: func(r billingfake.Received) { st.scene.arrived(ctx, r) },
		After:  func(r billingfake.Received) { st.acted(ctx, r) },
	}
}

func (st *stage) acted(ctx context.Context, r billingfake.Received) {
	if !st.script.kill || r.Header.Get(serverHeader) != serverA {
		return
	}
	st.mu.Lock()
	first, victim := !st.killed, st.actors[serverA]
	st.killed = true
	st.mu.Unlock()
	if !first {
		return
	}
	st.scene.killed(time.Now(), serverA, r.Invoice)
	victim.kill(errKilled)
	select {
	case <-victim.gone: // else it might still read the reply
	case <-ctx.Done():
	}
}

// perform starts servers side by side and waits for their ends, of whatever kind.
func (st *stage) perform(ctx context.Context, names []string, databaseURL, billingURL string) error {
	st.scene.enter(names)
	var playing sync.WaitGroup
	for _, name := range names {
		c, err := st.script.server(name, databaseURL, billingURL)
		if err != nil {
			return err
		}
		playing.Go(st.start(ctx, c))
	}
	playing.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (st *stage) start(ctx context.Context, c child) func() {
	life, kill := context.WithCancelCause(ctx)
	a := actor{kill: kill, gone: make(chan struct{})}
	st.mu.Lock()
	st.actors[c.name] = a
	st.mu.Unlock()
	return func() {
		defer kill(nil)
		_, err := st.story.Program.run(life, c)
		if err != nil && ctx.Err() == nil && !errors.Is(err, errKilled) {
			st.scene.failed(c.name, err)
		}
		close(a.gone)
		st.scene.left(c.name)
	}
}

package advisory

import "context"

type endKey struct{}

// WithEnd makes end the moment at which even detached statements under ctx are given
// up: the process must end by then, whatever it waits for.
func WithEnd(ctx, end context.Context) context.Context {
	return context.WithValue(ctx, endKey{}, end)
}

// Detach frees a statement from its caller's cancellation, which would close the
// connection, free its locks, and leave the fate of a commit unknown. It lasts until
// WithEnd's end, if there is one.
func Detach(ctx context.Context) context.Context {
	free := context.WithoutCancel(ctx)
	if end, ok := ctx.Value(endKey{}).(context.Context); ok {
		return detached{end, free}
	}
	return free
}

// Ended is closed at WithEnd's end; nil where there is none.
func Ended(ctx context.Context) <-chan struct{} {
	if end, ok := ctx.Value(endKey{}).(context.Context); ok {
		return end.Done()
	}
	return nil
}

// detached ends as its first context does, and has the values of both.
type detached struct {
	context.Context
	values context.Context
}

// Value implements context.Context. The end is asked first: package context looks for
// the cause of a cancellation by a value of its own.
func (d detached) Value(key any) any {
	if v := d.Context.Value(key); v != nil {
		return v
	}
	return d.values.Value(key)
}

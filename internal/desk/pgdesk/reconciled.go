package pgdesk

import (
	"context"

	"billonce/internal/desk"
)

// readReconciled reads the last reconciliation; there may be none.
func (r *statusReader) readReconciled(ctx context.Context) error {
	var last desk.Reconciled
	return r.each(ctx, "status_reconciled", []any{
		&last.At, &last.By, &last.File, &last.SHA256, &last.Decided, &last.Lines, &last.Agreed, &last.Differ, &last.Done,
	}, func() error {
		r.st.Reconciled = &last
		return nil
	})
}

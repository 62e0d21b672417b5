package web

import (
	"context"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
)

// Desk reads what the page shows.
type Desk interface {
	Status(ctx context.Context) (desk.Status, error)
	Nights(ctx context.Context) ([]desk.Night, error)
	History(ctx context.Context, id billing.InvoiceID) (desk.History, error)
}

// Opened reads what is open.
type Opened interface {
	// OpenRead reads some of each kind, and what the last run has counted; nil: none has.
	OpenRead(ctx context.Context) ([]desk.OpenRead, *desk.OpenCount, error)
	OpenPage(ctx context.Context, part desk.OpenPart) (desk.OpenPage, error)
}

// Pauser stops and resumes the book's runs.
type Pauser interface {
	Paused(ctx context.Context) (*billing.Pause, error) // nil: it is not
	Pause(ctx context.Context, by, reason string) (bool, error)
	Resume(ctx context.Context) (bool, error)
}

// Searcher reads the whole ledger, and shows what it finds as it finds it, until ctx ends.
type Searcher interface {
	Search(ctx context.Context, by desk.SearchFor, text string, show func(desk.Hit) error) error
}

// Reconciler reads what holding the ledger against the provider's lists came to.
type Reconciler interface {
	Reconciliations(ctx context.Context, limit int) ([]desk.Reconciled, error)
	// Reconciliation is one of them; [desk.ErrID]: there is none of this id.
	Reconciliation(ctx context.Context, id string) (desk.Reconciled, []desk.Difference, error)
}

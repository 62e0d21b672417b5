package web

import (
	"context"

	"billonce/internal/billing"
	"billonce/internal/desk"
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

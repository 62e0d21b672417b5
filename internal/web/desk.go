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

package desk

import (
	"fmt"
	"time"

	"billonce/internal/words"
)

// Reconciled is what holding the ledger against the provider's list came to.
type Reconciled struct {
	At      time.Time `json:"at"`
	By      string    `json:"by"`
	File    string    `json:"file"`
	SHA256  string    `json:"file_sha256"`
	Decided string    `json:"decided,omitempty"` // resolve or adopt; empty: it only compared
	Lines   int64     `json:"lines"`
	Agreed  int64     `json:"agreed"`
	Differ  int64     `json:"differ"`
	Done    int64     `json:"done,omitempty"` // that it made sent
}

func (r Reconciled) text() string {
	text := fmt.Sprintf("%s by %s: %s agreed, %s differed", words.OneLine(r.File), words.OneLine(r.By), words.Count(r.Agreed), words.Count(r.Differ))
	if r.Decided != "" {
		text += fmt.Sprintf("; %s made sent (--%s)", words.Count(r.Done), r.Decided)
	}
	return text
}

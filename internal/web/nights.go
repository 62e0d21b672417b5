package web

import (
	"fmt"
	"time"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/desk"
	"github.com/billonce/billonce/internal/words"
)

// The picture of the last nights, in SVG's units.
const (
	shownNights = 30
	nightStep   = 20
	nightWidth  = 14
	nightHeight = 48
	markRoom    = 20
	labelRoom   = 12
	labelDepth  = 3
	labelWidth  = 28
	labelEvery  = 7 // nights
)

type nightsPicture struct {
	Width, Height int
	LabelY        int
	Bars          []nightBar
	Text          string // what it shows, for who can't see it
}

type nightBar struct {
	X, Y, Width, Height int
	Room                int // height of the lane
	MarkX, MarkY        int
	Mark                string // good, harm, or empty: no run
	Title               string
	Label               string // the day under it; empty: none
	LabelX              int
}

// drawNights draws a bar a night, as high as it sent, with a mark for how it ended.
func drawNights(nights []desk.Night, today time.Time) nightsPicture {
	p := nightsPicture{Width: shownNights * nightStep, Height: nightHeight + markRoom + labelRoom, LabelY: nightHeight + markRoom + labelRoom - labelDepth}
	most, bad := int64(1), 0
	by := map[string]desk.Night{}
	for _, n := range nights {
		by[n.Day.Format(time.DateOnly)] = n
		most = max(most, n.Sent)
	}
	for i := range shownNights {
		day := today.AddDate(0, 0, i-shownNights+1)
		n, any := by[day.Format(time.DateOnly)]
		height := int(n.Sent * nightHeight / most)
		if n.Sent > 0 {
			height = max(height, 2)
		}
		bar := nightBar{
			X: i*nightStep + (nightStep-nightWidth)/2, Y: nightHeight - height, Width: nightWidth, Height: height, Room: nightHeight,
			MarkX: i*nightStep + nightStep/2, MarkY: nightHeight + markRoom/2, Title: day.Format("Mon 2 Jan") + ": no run",
		}
		if (shownNights-1-i)%labelEvery == 0 {
			bar.Label, bar.LabelX = day.Format("2 Jan"), min(bar.MarkX, p.Width-labelWidth/2)
		}
		if any {
			bar.Mark, bar.Title = "good", fmt.Sprintf("%s: %s sent in %s", day.Format("Mon 2 Jan"), words.Count(n.Sent), words.Plural(n.Runs, "run"))
			if n.Worst != billing.ExitDone {
				bar.Mark = "harm"
				bar.Title += fmt.Sprintf(", the worst exit code %d", n.Worst)
				bad++
			}
		}
		p.Bars = append(p.Bars, bar)
	}
	p.Text = fmt.Sprintf("Invoices sent each night, %s at most. %s.", words.Count(most), nightsEnded(len(by), bad))
	if len(by) == 0 {
		p.Text = "No run has begun yet: each night will have a bar here."
	}
	return p
}

func nightsEnded(nights, bad int) string {
	if bad == 0 {
		return fmt.Sprintf("Runs in %s, and all ended well", words.Plural(nights, "night"))
	}
	return fmt.Sprintf("Runs in %s; %d had one that did not end with exit code 0", words.Plural(nights, "night"), bad)
}

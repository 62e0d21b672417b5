package web

import (
	"fmt"
	"time"

	"billonce/internal/billing"
	"billonce/internal/desk"
	"billonce/internal/words"
)

// The picture of the last nights, in SVG's units.
const (
	shownNights = 30
	nightStep   = 20
	nightWidth  = 14
	nightHeight = 72
	markRoom    = 22
)

type nightsPicture struct {
	Width, Height int
	Bars          []nightBar
	Text          string // what it shows, for who can't see it
}

type nightBar struct {
	X, Y, Width, Height int
	MarkX, MarkY        int
	Mark                string // good, harm, or empty: no run
	Title               string
}

// drawNights draws a bar a night, as high as it sent, with a mark for how it ended.
func drawNights(nights []desk.Night, today time.Time) nightsPicture {
	p := nightsPicture{Width: shownNights * nightStep, Height: nightHeight + markRoom}
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
			X: i*nightStep + (nightStep-nightWidth)/2, Y: nightHeight - height, Width: nightWidth, Height: height,
			MarkX: i*nightStep + nightStep/2, MarkY: nightHeight + markRoom/2, Title: day.Format("Mon 2 Jan") + ": no run",
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
	p.Text = fmt.Sprintf("The last %d nights: %s with runs, of which %d had one that did not end with exit code 0.", shownNights, words.Plural(len(by), "night"), bad)
	return p
}

package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.gohtml figures.gohtml style.css
var assets embed.FS

// page is what the template shows.
type page struct {
	Report
	CSS       template.CSS
	CSP       string
	Timelines []timeline
	Legend    []legendEntry
	Speed     []barChart
	Cost      []barChart
	Table     table
	Where     string
}

// WriteHTML writes one page that needs nothing else: no script, no network, which
// its content security policy forbids.
func (r Report) WriteHTML(out io.Writer) error {
	css, err := assets.ReadFile("style.css")
	if err != nil {
		return err
	}
	t, err := template.ParseFS(assets, "page.gohtml", "figures.gohtml")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	sum := sha256.Sum256(css)
	p := page{
		Report: r, CSS: template.CSS(css),
		CSP:       fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; form-action 'none'", base64.StdEncoding.EncodeToString(sum[:])),
		Timelines: r.timelines(), Legend: legend(r.Results), Speed: r.speedCharts(), Cost: r.costCharts(),
		Table: r.table(), Where: r.Conditions.sentence(),
	}
	return t.Execute(out, p)
}

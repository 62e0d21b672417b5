package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing/billinghttp"
	"github.com/billonce/billonce/internal/config"
	pages "github.com/billonce/billonce/internal/document"
)

// Each row of the page's table has settings, and the program takes them as they stand:
// nothing is wrong with them, and nothing is warned of.
func TestDialectsPage(t *testing.T) {
	t.Parallel()
	const path = "../../docs/recipes/dialects.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		sections[title] = text
	}
	rows := regexp.MustCompile(`(?m)^\| \[([^]]+)\]\(#([^)]+)\) \|`).FindAllStringSubmatch(string(page), -1)
	if len(rows) < 10 || len(rows) != len(sections) {
		t.Errorf("%d rows and %d sections, want as many, and ten at least", len(rows), len(sections))
	}
	for _, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			anchor := strings.NewReplacer(" ", "-", ".", "").Replace(strings.ToLower(row[1]))
			text, found := sections[row[1]]
			if !found || row[2] != anchor {
				t.Fatalf("its section is not there, or not #%s", row[2])
			}
			all := pages.Blocks(text)
			if len(all) != 1 || all[0].Language != "sh" {
				t.Fatalf("%d blocks, want one of settings", len(all))
			}
			bash := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", all[0].Text+"\nenv -0")
			bash.Env = []string{"PATH=" + os.Getenv("PATH"), "API_SECRET=s3cret", "ADYEN_PREFIX=1797a841fbb37ca7-Example"}
			environ, err := bash.Output()
			if err != nil {
				t.Fatal(err)
			}
			a := app{environ: append(strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00"), "DATABASE_URL=postgres://db.example/app")}
			s, err := a.settings(config.Database | config.Billing)
			if err != nil {
				t.Fatal(err)
			}
			client, err := billinghttp.New(s.api)
			if err != nil {
				t.Fatal(err)
			}
			if warnings := append(s.Warnings(), client.Warnings()...); len(warnings) > 0 {
				t.Errorf("it warns: %q", warnings)
			}
			if !s.BillingIdempotent {
				t.Error("its keys are not used")
			}
		})
	}
}

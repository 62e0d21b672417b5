package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/config"
)

// What the README sets for a table and an API of one's own does what it says.
func TestReadmeYourTableYourAPI(t *testing.T) {
	t.Parallel()
	api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
		fmt.Fprintf(w, `{"data": {"id": "in_%s"}}`, path.Base(a.uri))
	})
	s := newShop(t, `create schema billing; create table billing."Invoice" ("No" int primary key, customer text, amount numeric, due_date date, status text, sent_at date, api_id text);
		insert into billing."Invoice" values (1, 'A/B', 12.5, '2020-02-29', 'open'), (2, 'C', 3, current_date + 4, 'open'), (3, 'D', 1, '2020-02-29', 'paid')`)
	document{t: t, path: "../../README.md", url: s.url, env: []string{"DATABASE_URL=" + s.url}, replace: map[string]string{
		"https://billing.example": api.URL, "/run/secrets/billing": file(t, []byte("me:password\n")), "run --dry-run\n```": "run\n```",
	}}.run()
	if all := api.asked(); len(all) != 1 || all[0].method+all[0].uri+all[0].body != `PUT/customers/A%2FB/invoices/1{"due": "2020-02-29", "cents": 1250}` ||
		all[0].header.Get("Authorization") != "Basic bWU6cGFzc3dvcmQ=" {
		t.Errorf("%+v", all)
	}
	s.wants(`select string_agg(concat_ws(' ', "No", status, api_id), ', ' order by "No") from billing."Invoice"`, "1 sent in_1, 2 open, 3 paid")
}

// Whatever the page says to set, the front door takes as it stands.
func TestYourAPIPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/your-api.md")
	if err != nil {
		t.Fatal(err)
	}
	settings := regexp.MustCompile("`([A-Z_]+=[^`]+)`").FindAllStringSubmatch(string(page), -1)
	if len(settings) < 12 {
		t.Errorf("%d settings on the page, want a dozen", len(settings))
	}
	for _, setting := range settings {
		bash := exec.CommandContext(t.Context(), "bash", "-euc", "export "+setting[1]+"\nenv -0")
		bash.Env = []string{
			"PATH=" + os.Getenv("PATH"), "DATABASE_URL=postgres://db.example/app",
			"BILLING_URL=https://billing.example/{id}", "BILLING_LOOKUP_URL=https://billing.example/{id}",
		}
		environ, err := bash.Output()
		if err != nil {
			t.Fatalf("%s: %v", setting[1], err)
		}
		if _, err := (app{environ: strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00")}).settings(config.Database | config.Billing); err != nil {
			t.Errorf("%s: %v", setting[1], err)
		}
	}
}

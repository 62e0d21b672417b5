package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const replied = `create table invoices (id bigint primary key, pending bool default true, api_id text, number int, lines jsonb);
	insert into invoices select generate_series(1, 4)`

// What the API answered is written to the invoice: as a parameter, whatever it is.
func TestMarkSentTakesTheReply(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
			fmt.Fprintf(w, `{"data": {"id": "in_%s'; drop table invoices; -- \"\u0000", "lines": [{"n": 9007199254740993}]}, "number": %[1]s7}`, a.uri[1:])
		})
		s := newShop(t, replied, strategy, "BILLING_URL="+api.URL+"/{id}", "BILLING_REPLY_ID=data.lines.0.n",
			"INVOICES_MARK_SENT=pending = false, api_id = {reply.data.id}, number = {reply.number}::int, lines = {reply.data.lines}::jsonb")
		s.batch(0, "migrate")
		_, said := s.batch(0, "run")
		if strings.Contains(said, "WRN") {
			t.Errorf("it warns:\n%s", said)
		}
		s.wants("select string_agg(concat_ws('|', id, pending, api_id, number, lines), e'\n' order by id) from invoices where id < 3",
			`1|f|in_1'; drop table invoices; -- "|17|[{"n": 9007199254740993}]
2|f|in_2'; drop table invoices; -- "|27|[{"n": 9007199254740993}]`)
		s.wants("select string_agg(reply_id, ' ') from billonce.deliveries", strings.TrimSpace(strings.Repeat("9007199254740993 ", 4)))
		if out, _ := s.batch(0, "history", "1"); !strings.Contains(out, ", at the API 9007199254740993\n") {
			t.Errorf("the history does not have the reply's id:\n%s", out)
		}
	})
}

// The money has moved: a reply that does not say what it should fails nothing.
func TestMarkSentWithoutTheReplysWord(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"lacks_it": `{"object": "invoice"}`, "null": `{"number": null}`, "no_json": `OK`, "empty": ``, "cut_off": `{"number": 7`,
		"too_long": `{"number": "` + strings.Repeat("7", 9000) + `"}`, "no_object": `[7]`, "refused": `{"number": "seven"}`,
	} {
		for _, strategy := range []string{"advisory", "row"} {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				t.Parallel()
				api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
					if a.uri == "/3" {
						body := `{"number": 3}`
						_, _ = io.WriteString(w, body)
						return
					}
					_, _ = io.WriteString(w, body)
				})
				s := newShop(t, replied, "LOCK_STRATEGY="+strategy, "BILLING_URL="+api.URL+"/{id}",
					"INVOICES_MARK_SENT=pending = false, number = {reply.number}::int", "BILLING_REPLY_ID=number")
				s.batch(0, "migrate")
				_, said := s.batch(0, "run")
				s.wants("select string_agg(concat_ws('|', id, pending, number, state), ' ' order by id) from invoices join billonce.deliveries on invoice_id = id",
					"1|f|sent 2|f|sent 3|f|3|sent 4|f|sent")
				if want := map[bool]string{
					false: "marked sent with null for {reply.number}", true: "the database does not take what the reply said",
				}[name == "refused"]; !strings.Contains(said, want) {
					t.Errorf("no warning with %q:\n%s", want, said)
				}
				if n := len(api.asked()); n != 4 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

// A person who knows that an invoice is sent has no reply to show for it, whatever
// the API said in doubt.
func TestResolveMarksWithoutAReply(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		api := newServer(t, func(w http.ResponseWriter, a asked, _ int) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"id": "in_`+a.uri[1:]+`", "number": 7, "lines": []}`)
		})
		s := newShop(t, replied+"; update invoices set api_id = 'before', number = 0, lines = '[0]'", strategy, "BILLING_URL="+api.URL+"/{id}", "BILLING_REPLY_ID=id", "BILLING_LOOKUP_AFTER=0s",
			"INVOICES_MARK_SENT=pending = false, api_id = {reply.id}, number = {reply.number}::int, lines = coalesce({reply.lines}::jsonb, lines)")
		s.batch(0, "migrate")
		s.batch(3, "run")
		s.sql("update billonce.deliveries set deadline_at = now()")
		_, said := s.batch(0, "resolve", "1", "3", "--sent", "--reason", "it is there", "--by", "ada")
		s.wants("select string_agg(concat_ws('|', id, pending, coalesce(api_id, 'null'), coalesce(number::text, 'null'), lines), ' ' order by id) from invoices",
			"1|f|null|null|[0] 2|t|before|0|[0] 3|f|null|null|[0] 4|t|before|0|[0]")
		s.wants("select count(reply_id)::text from billonce.deliveries", "0")
		if said != "" {
			t.Errorf("it says:\n%s", said)
		}
		s.says("sent, was in_doubt: by ada: it is there", "history", "1")
	})
}

// What would refuse every invoice is found out before the first request; what refuses
// one stops nobody else: it is written down as accepted, and marked once it is mended.
func TestP8MarkSentIsTried(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for name, c := range map[string]struct {
			refused string // ids
			code    int
			asked   int
			says    string
		}{
			"all":  {"id > 0", 5, 0, "the database refuses to mark each of 10 pending invoices that were tried (rolled back), invoice "},
			"head": {"id < 9", 3, 20, "the database refuses to mark it"},
			"tail": {"id > 19", 3, 20, "the database refuses to mark it"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				api := newServer(t, nil)
				s := newShop(t, `create table invoices (id int primary key, status text default 'open', constraint known check (status = 'open' or not `+c.refused+`));
					insert into invoices select generate_series(1, 20)`,
					strategy, "BILLING_URL="+api.URL+"/{id}", "INVOICES_PENDING=status = 'open'", "INVOICES_MARK_SENT=status = 'sent'")
				s.batch(0, "migrate")
				if _, said := s.batch(c.code, "run"); !strings.Contains(said, c.says) || !strings.Contains(said, "violates check constraint") {
					t.Errorf("it says:\n%s", said)
				}
				if n := len(api.asked()); n != c.asked {
					t.Errorf("%d requests, want %d", n, c.asked)
				}
				s.sql("alter table invoices drop constraint known")
				s.batch(0, "run")
				s.wants("select string_agg(distinct status || state, ' ') from invoices join billonce.deliveries on invoice_id = id", "sentsent")
				if n := len(api.asked()); n != 20 {
					t.Errorf("%d requests in all", n)
				}
			})
		}
	})
}

// What a trigger drops without a word is refused as well.
func TestP6MarkSentThatIsDropped(t *testing.T) {
	t.Parallel()
	for name, drop := range map[string]string{"dropped": "return null", "taken back": "new.pending := true; return new"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newServer(t, nil)
			s := newShop(t, replied+`; create function drop() returns trigger language plpgsql as $$ begin `+drop+`; end $$;
				create trigger drop before update on invoices for each row execute function drop()`, "BILLING_URL="+api.URL+"/{id}", "INVOICES_MARK_SENT=pending = false")
			s.batch(0, "migrate")
			if _, said := s.batch(5, "run"); len(api.asked()) != 0 || !strings.Contains(said, "the invoice stays pending") {
				t.Errorf("%d requests, and it says:\n%s", len(api.asked()), said)
			}
		})
	}
}

// A mistake in the user's SQL is shown where it is, before anything is touched.
func TestMistakesAreShown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ env, want string }{
		"column": {"INVOICES_PENDING=pending and\n\tamuont > 0 and id > 1", `INVOICES_PENDING: PostgreSQL can't use it: column "amuont" does not exist
     amuont > 0 and id > 1
     ^`},
		"syntax":      {"INVOICES_PENDING=id > 1 pending", "INVOICES_PENDING: PostgreSQL can't use it: syntax error at or near \"pending\"\n    id > 1 pending\n           ^\n"},
		"unclosed":    {"INVOICES_PENDING=(id > 1", "syntax error at end of input\n    (id > 1\n           ^\n"},
		"characters":  {"INVOICES_PENDING=api_id = 'äöü€' and x", "does not exist\n    api_id = 'äöü€' and x\n                        ^\n"},
		"hint":        {"INVOICES_PENDING=numbr = 1", "    ^\nPerhaps you meant to reference the column \"invoices.number\"."},
		"type":        {"INVOICES_PENDING=id", "argument of WHERE must be type boolean, not type bigint\n    id\n    ^\n"},
		"assignments": {"INVOICES_MARK_SENT=pending = false, sent = now()", "INVOICES_MARK_SENT: PostgreSQL can't use it: column \"sent\" of relation \"invoices\" does not exist\n    pending = false, sent = now()\n                     ^\n"},
		"behind a placeholder": {
			"INVOICES_MARK_SENT=api_id = {reply.id}, pending = {reply.a.b}::bool, numbr = 1",
			"    api_id = {reply.id}, pending = {reply.a.b}::bool, numbr = 1\n                                                      ^\n",
		},
		"a placeholder's type": {
			"INVOICES_MARK_SENT=pending = false, number = {reply.number}",
			"is of type integer but expression is of type text\n    pending = false, number = {reply.number}\n                              ^\nYou will need to rewrite or cast the expression.",
		},
		"quoted":         {"INVOICES_MARK_SENT=pending = false, api_id = '{reply.id}'", "stands inside of quotes"},
		"the first":      {"INVOICES_MARK_SENT=api_id = '{reply.id}', number = {reply.n}::int", "stands inside of quotes"},
		"in a comment":   {"INVOICES_MARK_SENT=number = {reply.n}::int -- {reply.id}", "stands inside of quotes or of a comment"},
		"no placeholder": {"INVOICES_MARK_SENT=api_id = {reply.}", "INVOICES_MARK_SENT: has a {reply. that is no placeholder"},
		"not closed":     {"INVOICES_MARK_SENT=api_id = {reply.id", "INVOICES_MARK_SENT: has a {reply. that is no placeholder"},
		"two statements": {"INVOICES_PENDING=pending); drop table invoices; --", "syntax error at or near \")\""},
		"view of a join": {"INVOICES_TABLE=joined", "cannot update view \"joined\""},
		"a stored view":  {"INVOICES_TABLE=stored", "INVOICES_TABLE: PostgreSQL can't use \"stored\": it is a materialized view, whose rows can't be marked sent; name its table"},
		"no such column": {"BILLING_URL=http://localhost/{nr}", `names the column "nr"`},
		"no such table":  {"INVOICES_TABLE=invoice", `INVOICES_TABLE: there is no table "invoice" in this database; did you mean public.invoices?`},
		"a bad path":     {"BILLING_REPLY_ID=a..b", "BILLING_REPLY_ID: is no path into a reply; write id"},
		"a pointer":      {"BILLING_REPLY_ID=/a/b", "BILLING_REPLY_ID: is a JSON pointer, which it no longer is; write it as in {reply.…}, with dots: a.b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, replied+"; create view joined as select a.id, a.pending, b.api_id from invoices a join invoices b using (id);"+
				"create materialized view stored as select * from invoices",
				"BILLING_URL=http://localhost/{id}", "INVOICES_MARK_SENT=pending = false")
			if name == "view of a join" { // any other ledger's is refused before
				s.set(c.env)
			}
			s.batch(0, "migrate")
			s.set(c.env)
			_, said := s.batch(2, "run")
			if !strings.Contains(said, c.want) {
				t.Errorf("it does not say what it should (-want +got):\n%s", cmp.Diff(c.want, said))
			}
			s.wants("select (select count(*) from billonce.runs) || ' ' || (select count(*) from invoices where pending)", "0 4")
		})
	}
}

// An id that several pending invoices share, or that one lacks, is no id: the ledger
// could not keep their requests apart.
func TestTwinsAreRefused(t *testing.T) {
	strategies(t, func(t *testing.T, strategy string) {
		for name, c := range map[string]struct{ size, ids, says string }{
			"one_claim":  {"CLAIM_SIZE=10", "(42), (42)", "it is not unique: several pending invoices have the id 42"},
			"two_claims": {"CLAIM_SIZE=1", "(42), (42)", "it is not unique: several pending invoices have the id 42"},
			"none":       {"CLAIM_SIZE=1", "(42), (43), (null)", "it is not unique: a pending invoice has none (it is NULL)"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				api := newServer(t, nil)
				s := newShop(t, `create table invoices (id bigint, pending bool default true, sent_at timestamptz); insert into invoices values `+c.ids,
					strategy, c.size, "BILLING_URL="+api.URL+"/{id}")
				s.batch(0, "migrate")
				_, said := s.batch(2, "run")
				if n := len(api.asked()); n != 0 || !strings.Contains(said, "INVOICES_ID: "+c.says) {
					t.Errorf("%d requests, and it says:\n%s", n, said)
				}
			})
		}
	})
}

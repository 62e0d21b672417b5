package reconcile

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
)

// readAll reads a list as a reconciliation does, and writes each line as
// "number id/foreign/key/reply amount currency acted at".
func readAll(t *testing.T, text, columns string, f Form) (lines []string, wrong []string) {
	t.Helper()
	c, err := ParseColumns(columns)
	if err != nil {
		t.Fatal(err)
	}
	l, err := openList(strings.NewReader(text), c)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for {
		rec, err := l.next()
		var bad *unreadable
		switch {
		case errors.Is(err, io.EOF):
			return lines, wrong
		case errors.As(err, &bad):
			wrong = append(wrong, err.Error())
			continue
		case err != nil:
			return lines, append(wrong, err.Error())
		}
		one, err := f.read(rec.number, l.columns().has, rec.text)
		if err != nil {
			wrong = append(wrong, (&unreadable{rec.number, err}).Error())
			continue
		}
		text := fmt.Sprintf("%d %s/%s/%s/%s %s %s %t", one.number, one.id, one.foreign, one.key, one.replyID, one.amount, one.currency, one.acted)
		if !one.at.IsZero() {
			text += " " + one.at.UTC().Format(time.RFC3339)
		}
		lines = append(lines, text)
	}
}

func encoded(t *testing.T, text string, e encoding.Encoding) string {
	t.Helper()
	out, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestListsInAnyNotation(t *testing.T) {
	t.Parallel()
	const table = "id,amount,currency,Note\n1,10.50,eur,\"two\nlines\"\n2,\"1,234.5\",USD,\"a \"\"b\"\"\"\n"
	want := []string{"2 1/// 10.50 EUR true", "4 2/// 1234.5 USD true"}
	for name, text := range map[string]string{
		"plain":        table,
		"CRLF":         strings.ReplaceAll(table, "\n", "\r\n"),
		"BOM":          "\ufeff" + table,
		"UTF-16 LE":    encoded(t, table, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)),
		"UTF-16 BE":    encoded(t, table, unicode.UTF16(unicode.BigEndian, unicode.UseBOM)),
		"UTF-16, bare": encoded(t, table, unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)),
		"semicolons":   "id;amount;currency;Note\n1;10.50;eur;\"two\nlines\"\n2;1,234.5;USD;\n",
		"tabs":         "id\tamount\tcurrency\tNote\n1\t10.50\teur\t\"two\nlines\"\n2\t1,234.5\tUSD\t\n",
	} {
		lines, wrong := readAll(t, text, "", Form{KeyType: "bigint"})
		if len(wrong) > 0 || strings.Join(lines, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, wrong %q", name, lines, wrong)
		}
	}
	for name, c := range map[string]struct {
		text, columns string
		form          Form
		want          string
	}{
		"a bank's preamble": {
			"My Bank AG\nAccount;123\n\nDate;Reference;Amount\n31.01.2026;42;-1.234,56\n", "id=Reference,amount=Amount,at=Date",
			Form{KeyType: "bigint", Comma: true, Zone: time.FixedZone("", 3600)},
			"5 42/// -1234.56  true 2026-01-30T23:00:00Z",
		},
		"Excel's first line": {"sep=;\nid;x\n7;\n", "", Form{KeyType: "bigint"}, "3 7///   true"},
		"JSON lines": {
			"{\"metadata\":{\"invoice\":7},\"net\":1050,\"cur\":\"eur\",\"status\":\"Paid\",\"created\":1769900000}\n\n{\"metadata\":{},\"net\":null,\"cur\":\"jpy\",\"status\":\"void\",\"created\":null}\n",
			"id=metadata.invoice,amount=net,currency=cur,status=status,at=created",
			Form{KeyType: "bigint", Minor: true, Acted: []string{"paid"}},
			"1 7/// 10.50 EUR true 2026-01-31T22:53:20Z|3 ///  JPY false",
		},
		"smallest units": {
			"id,amount,currency\n1,5,EUR\n2,1000,JPY\n3,1234,BHD\n4,-5,EUR\n", "",
			Form{KeyType: "bigint", Minor: true},
			"2 1/// 0.05 EUR true|3 2/// 1000 JPY true|4 3/// 1.234 BHD true|5 4/// -0.05 EUR true",
		},
		"another's ids":        {"id,x\nSHOP-7,\n00012,\n,\n99999999999999999999,\n", "", Form{KeyType: "bigint"}, "2 /SHOP-7//   true|3 12///   true|4 ///   true|5 /99999999999999999999//   true"},
		"another's key":        {"id,key\n1,not-ours\n2,9E6D3B38EEAD43AC9DBBA3864FCBFB52\n", "", Form{KeyType: "bigint"}, "2 /1//   true|3 2//9e6d3b38-eead-43ac-9dbb-a3864fcbfb52/   true"},
		"guarded by a spread…": {"id,x\n'-5,\n'=a,\n", "", Form{KeyType: "text"}, "2 -5///   true|3 =a///   true"},
	} {
		lines, wrong := readAll(t, c.text, c.columns, c.form)
		if got := strings.Join(lines, "|"); len(wrong) > 0 || got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s\nwrong: %q", name, got, c.want, wrong)
		}
	}
}

// Each line that can't be read is named with its number, and what is wrong.
func TestUnreadableLinesAreNamed(t *testing.T) {
	t.Parallel()
	bigint := Form{KeyType: "bigint"}
	for name, c := range map[string]struct {
		text, columns string
		form          Form
		want          string
	}{
		"a spreadsheet's number": {"id,x\n1.2E+12,\n", "", bigint, `line 2: id "1.2E+12" is not written as a whole number`},
		"a float":                {"id,x\n12.0,\n", "", bigint, `line 2: id "12.0"`},
		"a decimal comma":        {"id,amount\n1,1\n2,\"10,50\"\n", "", bigint, `line 3: amount "10,50" is no amount`},
		"a point among commas":   {"id;amount\n1;1.5\n", "", Form{KeyType: "bigint", Comma: true}, `line 2: amount "1.5" is no amount with a decimal comma`},
		"an exponent":            {"id,amount\n1,1E3\n", "", bigint, `line 2: amount "1E3"`},
		"no currency":            {"id,amount,currency\n1,5,XXQ\n", "", Form{KeyType: "bigint", Minor: true}, `is no currency of ISO 4217`},
		"cut off in a line":      {"id,amount,currency\n1,5,EUR\n2,5", "", bigint, "line 3: it has 2 fields and the header 3: the file may be cut off"},
		"cut off in a quote":     {"id,amount\n1,5\n2,\"5", "", bigint, "line 3:"},
		"an unquoted comma":      {"id,amount\n1,1,50\n", "", bigint, "line 2: it has 3 fields"},
		"cut off in JSON":        {"{\"id\":1}\n{\"id\":", "", bigint, "line 2: it is no JSON object (is the file cut off?)"},
		"Latin-1":                {"id,status\n1,bezahlt f\xfcr\n", "", bigint, "line 2: status is not UTF-8"},
		"a day or a month":       {"id,at\n1,01/02/2026\n", "", bigint, "--dates mdy or --dates dmy"},
		"a zone by name":         {"id,at\n1,2026-01-31 10:00:00 CEST\n", "", bigint, "line 2: time"},
		"no header":              {"1,10.50\n", "", bigint, "no column names our invoices"},
		"another header":         {"Ref,Net\n1,2\n", "id=Reference", bigint, `has no column "Reference"`},
		"two of one name":        {"Ref,Ref\n1,2\n", "id=Ref", bigint, `has two columns "Ref"`},
		"a JSON array":           {"[{\"id\":1}]", "", bigint, "one JSON array"},
		"a spreadsheet":          {"PK\x03\x04\x00\x00", "", bigint, "a spreadsheet"},
		"nothing":                {"\n", "", bigint, "empty"},
		"a member misspelt":      {"{\"ref\":1}\n", "id=reference", bigint, `no line of the list has a value "reference"`},
	} {
		_, wrong := readAll(t, c.text, c.columns, c.form)
		if len(wrong) == 0 || !strings.Contains(wrong[0], c.want) {
			t.Errorf("%s: %q, want %q", name, wrong, c.want)
		}
	}
}

func TestColumnsThatCantBe(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"amount=Net":           "no column names our invoices",
		"id=":                  "names no column",
		"id":                   "names no column",
		"nett=Net":             `there is no "nett"`,
		"id=A,id=B":            "id is there twice",
		"id=A,invoice_id=B":    "id is there twice",
		`id=Ref,"amount=a, b"`: "",
	} {
		_, err := ParseColumns(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

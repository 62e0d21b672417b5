package billinghttp

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/billing/billinghttp/templates"
)

// keptMax is how many bytes of an invoice are kept for a repeat, at most.
const keptMax = 256 << 10

// Keep is what a repeat of the invoice's request needs of its row; nil: it is too large.
func (c *Client) Keep(inv billing.Invoice) *billing.Kept {
	kept := &billing.Kept{Columns: make(map[string]*string)}
	for i, name := range c.columns {
		if c.isCredential(name) {
			continue
		}
		kept.Columns[name] = inv.Columns[i]
	}
	if c.body != nil {
		all, err := membersOf(inv.Row)
		if err != nil {
			return nil
		}
		all = slices.DeleteFunc(all, func(m member) bool { return !c.body.Reads(m.name) })
		for i, m := range all {
			if c.isCredential(m.name) {
				all[i].value = json.RawMessage("null") // its place is kept
			}
		}
		kept.Row = object(all)
	}
	columns, err := json.Marshal(kept.Columns) // as they are kept
	if err != nil || len(columns)+len(kept.Row) > keptMax {
		return nil
	}
	return kept
}

// Recall is the invoice as its row said when it was kept. What was not kept, a credential,
// is as the row says now.
func (c *Client) Recall(now billing.Invoice, kept *billing.Kept) billing.Invoice {
	then := now
	then.Columns = slices.Clone(now.Columns)
	for i, name := range c.columns {
		if text, ok := kept.Columns[name]; ok {
			then.Columns[i] = text
		}
	}
	if c.body == nil || kept.Row == nil {
		return then
	}
	old, oerr := membersOf(kept.Row)
	row, rerr := membersOf(now.Row)
	if oerr != nil || rerr != nil {
		return then
	}
	then.Row = object(c.merge(row, old))
	return then
}

// merge is what was kept, with today's credentials in their places. A template that names
// its columns may name more today.
func (c *Client) merge(row, kept []member) []member {
	for i, m := range kept {
		if now := indexOf(row, m.name); c.isCredential(m.name) && now >= 0 {
			kept[i].value = row[now].value
		}
	}
	if c.body.ReadsAll() {
		return kept
	}
	for _, m := range row {
		if indexOf(kept, m.name) < 0 {
			kept = append(kept, m)
		}
	}
	return kept
}

func indexOf(all []member, name string) int {
	return slices.IndexFunc(all, func(m member) bool { return m.name == name })
}

// IsSecret says of a column whether a secret header is made from it, or whether it is
// named like a secret: no person is shown it unasked.
func IsSecret(c Config) func(column string) bool {
	client, _ := read(c)
	return client.isCredential
}

// isCredential says of a column whether a secret header is made from it, or whether it is
// named like a secret.
func (c *Client) isCredential(column string) bool {
	if templates.IsSecretName(column) {
		return true
	}
	for _, h := range c.made {
		if h.Secret && h.Value.Has(column) {
			return true
		}
	}
	return false
}

// secretsOf are the values in the request's URLs and body of columns that are named like
// tokens.
func (c *Client) secretsOf(inv billing.Invoice) (all []billing.Secret) {
	for _, i := range c.secretColumns {
		if text := inv.Columns[i]; text != nil && *text != "" {
			all = append(all, billing.Secret(*text))
		}
	}
	if !c.secretInBody {
		return all
	}
	return append(all, secretMembers(inv.Row, c.body.Reads)...)
}

// rowSecrets are those of a body that is the row as it is.
func (c *Client) rowSecrets(m billing.Request) (all []string) {
	if c.body == nil || !c.body.IsRow() {
		return nil
	}
	for _, s := range secretMembers(m.Body, c.body.Reads) {
		all = append(all, string(s))
	}
	return all
}

// secretMembers are the texts in a row whose columns are named like tokens.
func secretMembers(row []byte, reads func(column string) bool) (all []billing.Secret) {
	members, _ := membersOf(row) // what can't be read is shown to nobody
	for _, m := range members {
		var text string
		if templates.IsTokenName(m.name) && reads(m.name) && json.Unmarshal(m.value, &text) == nil && text != "" {
			all = append(all, billing.Secret(text))
		}
	}
	return all
}

// member is one of a JSON object's, as it is written.
type member struct {
	name  string
	key   []byte // in its quotes
	value json.RawMessage
}

// membersOf takes an object apart. Decoding its values could change numbers.
func membersOf(row []byte) (all []member, err error) {
	d := json.NewDecoder(bytes.NewReader(row))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		from := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: bytes.TrimLeft(row[from:d.InputOffset()], ", \t\r\n")}
		m.name, _ = name.(string) // an object's names are texts: the decoder sees to it
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	_, err = d.Token()
	return all, err
}

// object puts members together as row_to_json does.
func object(all []member) json.RawMessage {
	b := []byte{'{'}
	for i, m := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, m.key...), ':'), m.value...)
	}
	return append(b, '}')
}

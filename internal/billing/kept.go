package billing

// Kept is what the row said that a request was made from: a repeat is made from it again,
// whatever the row says by then. It holds no setting, and no credential.
type Kept struct {
	Row     []byte             // as JSON, without the credentials; nil: no request needs it
	Columns map[string]*string // as text, by their names; nil: NULL
}

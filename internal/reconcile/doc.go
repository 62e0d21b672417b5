// Package reconcile holds the ledger against the provider's own list: an export as CSV
// or JSON lines. It reads the list into a temporary table, joins it with the deliveries
// in one statement, and tells what agrees, what differs, and which open deliveries the
// list decides. What a list has is evidence that the API acted; what it has not is
// evidence of nothing, since lists break off and ids get lost on their way.
package reconcile

// Package billingfake is a fake billing API: it misbehaves as told, and it is
// the judge. Its own ledger of requests and effects is the only witness that
// torture tests and demos believe; nothing in it comes from the runner.
//
//	POST /v1/invoices/{id}/send   bills the invoice: an effect
//	GET  /v1/invoices/{id}        look-up: 200 if there is an effect, else 404
//	POST /oauth/token             gives a token, where [Config.Tokens] are needed
//	GET  /ledger, /ledger/{id}    what the judge has seen
//	POST /ledger/reset            forgets everything, keys too
//
// Any method on any path bills, so long as the invoice's id is found: behind
// /invoices/ in the path, else in the query or the JSON body, as "invoice" or
// "id". GET and HEAD look up, unless the path ends in /send. One with
// ?idempotency_key= asks about that key alone.
//
// A [Config] puts an API together: a [Dialect] of idempotency keys, a [Limit] or
// several, a [Trait] or several between the keys and the effect, and a [Lookup].
// A request meets limits, fault, keys, traits and effect, in that order.
//
// A request counts once its body is complete. Its effect comes after
// [Config.Latency], also when the client has left in the meantime: until then
// a look-up says 404, which proves nothing.
package billingfake

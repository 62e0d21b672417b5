// Package rules reads what the user says replies mean (BILLING_OUTCOMES,
// BILLING_LOOKUP_OUTCOMES), and judges replies by it.
//
// A rule is a line:
//
//	STATUS -> OUTCOME
//	STATUS if CONDITION -> OUTCOME
//
// STATUS is 409, 4xx or 200-299. CONDITION is an expression in CEL
// (https://github.com/google/cel-spec) over body (the reply's JSON), text (the
// body as it came) and header (names in lower case). The first rule that matches
// decides; where none does, the built-in meaning of the status stands, which is
// not this package's. Three things keep a slip in a rule from costing money:
//
//   - Where a rule with a condition names a 2xx status, the built-in success no
//     longer applies to that status: what no rule matches is unknown. In the same
//     way a condition on 404 switches off the look-up's built-in absent.
//   - Where a condition needs a body that can't be read to its end, the outcome is
//     unknown, whatever rules follow. So it is where a condition costs too much.
//   - A condition that can't be evaluated (no JSON, no such member) does not match.
//     Members that are null are left out, so that absent and null are one.
package rules

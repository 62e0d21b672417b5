// Package desk is where people see what became of their invoices, and decide what no
// program may: the evidence, the status, the history, and what a decision does. It
// knows no database; package pgdesk reads and writes for it. How it is shown on a
// terminal stands here too, so that whatever else shows it uses the same words.
package desk

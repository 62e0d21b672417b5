// Package web is the page: it shows a book's nights, and lets people decide what is
// open. It has no SQL and no rule of its own: what it shows and does is package desk's.
//
// Who may do what is decided before anything else ([guard]): on loopback everybody who
// is on the machine may read; elsewhere only who is known by a password or by an
// authenticating proxy, and only deciders may decide.
package web

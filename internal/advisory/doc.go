// Package advisory uses PostgreSQL's advisory locks so that they can be relied
// on: keys formed in one place, transaction locks taken from exactly the keys
// that were asked for, a session lock on a connection of its own, loss noticed
// in time, and a proof at start that locks lock here at all.
//
// It knows nothing of what is locked. PostgreSQL's manual: 13.3.5 (Advisory
// Locks) and 9.28.10 (Advisory Lock Functions). Sections whose number changes
// with every version are cited by their title.
package advisory

// Package words writes numbers, times and texts for people. It knows nothing of
// billing, and anything may import it.
//
// # The voice
//
// Whatever a person reads here (a message, an error, a page, help) keeps to these
// rules:
//
//   - Say what happened, in the usual order of words: "skipped 33 invoices that
//     need a decision". No inversions, no sayings, no figures of speech.
//   - Say it of the thing that the reader knows (an invoice, the API, the
//     database, a variable), and not of our code.
//   - Be short: one fact a sentence, and no sentence that says nothing new.
//   - One word for one thing, as in ARCHITECTURE.md; "can't" and "doesn't" as people
//     speak.
//   - An error names what was wrong and what would be right, and ends with what to
//     do next: "Fix the error and run again". If a command helps, give all of it,
//     in backquotes.
//   - Name a variable or a flag as it is written (INVOICES_ID, --reason).
//   - A warning says what the run does about it: "leaving it pending".
//   - Never show a secret, or the bytes of a request or a reply that could hold one.
//     What an API, a database or a person wrote stands on one line ([OneLine]).
//   - Errors begin with a small letter and have no full stop, as they are joined to
//     others. What a command prints on standard output is sentences.
//
// Programs read none of this: log lines that they need have an `event` field, which
// docs/operations.md lists, and commands have --json.
package words

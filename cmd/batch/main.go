// Command batch sends pending invoices to a billing API, each of them once.
// See `batch help` and the README.
package main

import (
	"io"
	"log"
	"os"
	"runtime/debug"
)

func main() {
	// net/http writes what a misbehaving server sent to the standard logger:
	// bytes that could hold an echo of our token, in a format of its own.
	log.SetOutput(io.Discard)
	if os.Getenv("GOGC") == "" {
		// The heap is a few MiB: collecting it half as often costs little room.
		debug.SetGCPercent(200)
	}
	os.Exit(run(untilSignal(), os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

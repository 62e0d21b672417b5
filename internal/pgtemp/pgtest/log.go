package pgtest

import (
	"bytes"
	"sync"
	"time"
)

// startPoll is how often a program that was started is asked whether it answers.
const startPoll = 20 * time.Millisecond

// logTail keeps what a program says, for a test that fails.
type logTail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logTail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

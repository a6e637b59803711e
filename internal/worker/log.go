package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// Log is an execution's log file, written by several at once. A log that
// cannot be written stops no run.
type Log struct {
	mu   sync.Mutex
	file *os.File
	anew atomic.Int64 // how often it was emptied
}

// OpenLog opens the log at path for more lines.
func OpenLog(path string) (*Log, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the run's log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the run's log: %w", err)
	}
	return &Log{file: f}, nil
}

// Line writes one line, given without its end.
func (l *Log) Line(text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.file.Write(append(text[:len(text):len(text)], '\n'))
}

// Write takes bytes as they are, and always all of them.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.file.Write(p)
	return len(p), nil
}

// Again empties the log: an executor that keeps logs itself gives all of them
// to whoever takes over a run.
func (l *Log) Again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Truncate(0)
	l.anew.Add(1)
}

// Close closes the file.
func (l *Log) Close() error { return l.file.Close() }

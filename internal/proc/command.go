package proc

import (
	"fmt"
	"syscall"
	"time"
)

// Command is one process to start.
type Command struct {
	Name string   // how messages call it: "tap-csv"
	Path string   // the executable, resolved
	Args []string // what follows the executable's name
	Dir  string   // working directory, "" is ours
	Env  []string // the whole environment
	// NoStdin gives it an empty standard input instead of a pipe.
	NoStdin bool
	// Stderr gets each line of standard error without its end of line, from
	// one goroutine; the line is valid during the call. nil drops them.
	Stderr func(line []byte)
	// StderrLimit bounds what Stderr is given; the zero value is generous.
	StderrLimit StderrLimit
	// Linger is how long after its end another process may keep its pipes
	// open without writing; 0 is 5 s.
	Linger time.Duration
}

// Host starts processes.
type Host interface {
	Start(Command) (*Process, error)
}

// Status is how a process ended.
type Status struct {
	Code   int            // exit code; 128+n when signal n killed it
	Signal syscall.Signal // the signal that killed it, else 0
	Err    error          // set when the end could not be observed
	CPU    time.Duration  // user and system time of it and its reaped children
	MaxRSS int64          // bytes
}

// OK says that the process ended by itself with exit code 0.
func (s Status) OK() bool { return s.Code == 0 && s.Signal == 0 && s.Err == nil }

func (s Status) String() string {
	switch {
	case s.Err != nil:
		return s.Err.Error()
	case s.Signal != 0:
		return fmt.Sprintf("killed by signal %d (%s)", int(s.Signal), s.Signal)
	default:
		return fmt.Sprintf("exit code %d", s.Code)
	}
}

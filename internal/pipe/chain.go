package pipe

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"elt/internal/limit"
	"elt/internal/proc"
)

// Chain is what to run: the tap first, the target last. A chain of one stage
// (a fused pair) reads nothing and acknowledges like a target.
type Chain struct {
	Host   proc.Host
	Stages []Stage
	// Start is the state that the tap was given; acknowledged values are
	// judged by it and by what was forwarded (invariant 5).
	Start json.RawMessage
	// Grace is the time from the end of the context to the last SIGKILL; 0 is 22 s.
	Grace time.Duration
	// Windowed runs let no ACTIVATE_VERSION reach the target (invariant 9).
	Windowed bool
	// Limits end the run at a STATE, or slow it down. Of a chain of one stage
	// they are that stage's business. Streams is how many streams are selected,
	// 0 when unknown: a preview of all of them ends the tap.
	Limits  limit.Limits
	Streams int
	Events
	// Meter counts while the chain runs; nil makes one.
	Meter *Meter
}

// Stage is one member of a chain: a process, or a function in tests.
type Stage struct {
	Command proc.Command
	Func    func(ctx context.Context, stdin io.Reader, stdout io.Writer) error
	// BuiltIn targets are told that the run is complete, by the end-of-run
	// line after a tap that exited 0, and must acknowledge the last STATE.
	BuiltIn bool
}

// Events are called while the chain runs, each from one goroutine at a time;
// any may be nil. A slow one slows the chain.
type Events struct {
	// Schema: a SCHEMA message is on its way to the target.
	Schema func(stream string, message json.RawMessage)
	// State: a STATE value is on its way to the target. It is no ack.
	State func(value json.RawMessage)
	// Ack: the target acknowledged a value that counts. An error ends the run.
	Ack func(value json.RawMessage) error
	// Line: a line on the last stage's standard output that is no state.
	Line func(line []byte)
	// Warn: something a user should hear once.
	Warn func(text string)
}

// Run starts the stages, first to last, and returns when all have ended and
// every goroutine and process is gone. When ctx ends it stops them: SIGTERM
// to the tap first, the rest drain, and nobody lives longer than Grace.
func Run(ctx context.Context, c Chain) Outcome {
	if c.Grace == 0 {
		c.Grace = 22 * time.Second
	}
	if c.Meter == nil {
		c.Meter = &Meter{}
	}
	c.Events.fill()
	return newRun(c).run(ctx)
}

func (e *Events) fill() {
	if e.Schema == nil {
		e.Schema = func(string, json.RawMessage) {}
	}
	if e.State == nil {
		e.State = func(json.RawMessage) {}
	}
	if e.Ack == nil {
		e.Ack = func(json.RawMessage) error { return nil }
	}
	if e.Line == nil {
		e.Line = func([]byte) {}
	}
	if e.Warn == nil {
		e.Warn = func(string) {}
	}
}

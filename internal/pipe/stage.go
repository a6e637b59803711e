package pipe

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"elt/internal/proc"
)

// stage is a started stage.
type stage struct {
	name    string
	builtIn bool
	stdin   io.Writer
	stdout  io.Reader
	running running

	closed  atomic.Bool // its input ended because the stage before did
	stopped atomic.Bool // we asked it to end
	deaf    func()      // it takes no more input
	early   bool        // it ended before its input did
	unread  int         // bytes that it left in its input
}

// running is a process or a function.
type running interface {
	Exited() <-chan struct{}
	Ended() time.Time
	Wait() proc.Status
	Terminate()
	Kill()
	CloseStdin() (unread func() int)
	Close()
	Tail() []string
	StderrDropped() int64
}

// closeStdin ends the stage's input. What it leaves unread is known once it
// has ended.
func (s *stage) closeStdin() {
	s.closed.Store(true)
	unread := s.running.CloseStdin()
	s.running.Wait()
	s.unread = unread()
}

// wait blocks until the stage has ended.
func (s *stage) wait() proc.Status { return s.running.Wait() }

func (s *stage) terminate() {
	if !s.ended() {
		s.stopped.Store(true)
	}
	s.running.Terminate()
}

func (s *stage) kill() {
	if !s.ended() {
		s.stopped.Store(true)
	}
	s.running.Kill()
}

func (s *stage) ended() bool {
	select {
	case <-s.running.Exited():
		return true
	default:
		return false
	}
}

// startStage starts one stage. first: it has no input.
func startStage(host proc.Host, spec Stage, first bool) (*stage, error) {
	s := &stage{name: spec.Command.Name, builtIn: spec.BuiltIn}
	if spec.Func != nil {
		f := startFunc(spec.Func)
		s.stdin, s.stdout, s.running = f.stdinW, f.stdoutR, f
		return s, nil
	}
	c := spec.Command
	c.NoStdin = first
	p, err := host.Start(c)
	if err != nil {
		return nil, err
	}
	if p.Stdin != nil {
		s.stdin = p.Stdin
	}
	s.stdout, s.running = p.Stdout, p
	return s, nil
}

// ExitCode is the error by which a Func ends with a code other than 1.
type ExitCode int

func (ExitCode) Error() string { return "exit" }

// function is a Func on its way.
type function struct {
	stdinR  *io.PipeReader
	stdinW  *io.PipeWriter
	stdoutR *io.PipeReader
	stdoutW *io.PipeWriter
	cancel  context.CancelFunc
	exited  chan struct{}
	at      time.Time
	status  proc.Status
}

func startFunc(f func(context.Context, io.Reader, io.Writer) error) *function {
	ctx, cancel := context.WithCancel(context.Background())
	r := &function{cancel: cancel, exited: make(chan struct{})}
	r.stdinR, r.stdinW = io.Pipe()
	r.stdoutR, r.stdoutW = io.Pipe()
	go func() {
		err := f(ctx, r.stdinR, r.stdoutW)
		var code ExitCode
		switch {
		case errors.As(err, &code):
			r.status.Code = int(code)
		case err != nil:
			r.status.Code = 1
		}
		r.at = time.Now()
		close(r.exited)
		r.stdinR.Close()
		r.stdoutW.Close()
		cancel()
	}()
	return r
}

func (f *function) Exited() <-chan struct{} { return f.exited }
func (f *function) Ended() time.Time        { return f.at }
func (f *function) Wait() proc.Status       { <-f.exited; return f.status }
func (f *function) Terminate()              { f.cancel() }
func (f *function) Kill() {
	f.cancel()
	f.stdinR.CloseWithError(io.ErrClosedPipe)
	f.stdoutW.CloseWithError(io.ErrClosedPipe)
}
func (f *function) CloseStdin() func() int { f.stdinW.Close(); return func() int { return 0 } }
func (f *function) Close()                 { f.stdoutR.Close() }
func (f *function) Tail() []string         { return nil }
func (f *function) StderrDropped() int64   { return 0 }

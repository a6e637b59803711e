package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is a running child. All methods are safe for concurrent use.
type Process struct {
	// Stdin is a pipe to the child; nil with NoStdin. Writing to a child that
	// is gone fails with EPIPE.
	Stdin *os.File
	// Stdout is the child's output. It ends when all holders of the pipe are
	// gone, or when the child is and nobody wrote for Command.Linger.
	Stdout io.Reader

	name    string
	child   child
	stdout  *output
	stderr  *output
	drain   drain
	exited  chan struct{}
	done    chan struct{}
	reaped  atomic.Bool
	ended   time.Time // set before exited is closed
	status  Status    // set before exited is closed
	started time.Time
}

// child is a started process as its host knows it.
type child interface {
	pid() int
	// wait blocks until the child has ended and is reaped.
	wait() Status
	// signal reaches the child's whole group; after wait returned it reaches
	// what is left of the group.
	signal(sig syscall.Signal, reaped bool)
}

// spawner starts c with the given standard files and leaves them open.
type spawner func(c Command, files [3]*os.File) (child, error)

// start makes the pipes, spawns, and begins to watch.
func start(c Command, spawn spawner) (*Process, error) {
	var ours, theirs [3]*os.File
	fail := func(err error) (*Process, error) {
		closeAll(ours, theirs)
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	var err error
	for i := range theirs {
		switch {
		case i == 0 && c.NoStdin:
			theirs[0], err = os.Open(os.DevNull)
		case i == 0:
			theirs[0], ours[0], err = os.Pipe()
		default:
			ours[i], theirs[i], err = os.Pipe()
		}
		if err != nil {
			return fail(err)
		}
	}
	for _, f := range theirs[:2] {
		growPipe(f)
	}
	p := &Process{
		name: c.Name, Stdin: ours[0], started: time.Now(),
		exited: make(chan struct{}), done: make(chan struct{}),
	}
	if p.child, err = spawn(c, theirs); err != nil {
		return fail(err)
	}
	closeAll(theirs)
	linger := c.Linger
	if linger == 0 {
		linger = 5 * time.Second
	}
	p.stdout = &output{file: ours[1], process: p, linger: linger}
	p.stderr = &output{file: ours[2], process: p, linger: linger}
	p.Stdout = p.stdout
	p.drain = newDrain(c.Stderr, c.StderrLimit)
	go p.watch()
	return p, nil
}

// watch owns the child until it is reaped and its standard error is read.
func (p *Process) watch() {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.drain.run(p.stderr)
		p.stderr.file.Close()
	}()
	p.status = p.child.wait()
	p.ended = time.Now()
	p.reaped.Store(true)
	close(p.exited)
	p.stdout.expire()
	p.stderr.expire()
	<-drained
	close(p.done)
}

// Name is how messages call the process.
func (p *Process) Name() string { return p.name }

// PID is its process id, which is its process group's too.
func (p *Process) PID() int { return p.child.pid() }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Ended is when it ended; valid after Exited.
func (p *Process) Ended() time.Time { return p.ended }

// Wait blocks until the process has ended and its standard error is drained.
func (p *Process) Wait() Status {
	<-p.done
	return p.status
}

// Terminate asks the process group to end (SIGTERM).
func (p *Process) Terminate() { p.child.signal(syscall.SIGTERM, p.reaped.Load()) }

// Kill ends the process group (SIGKILL).
func (p *Process) Kill() { p.child.signal(syscall.SIGKILL, p.reaped.Load()) }

// Stop climbs the ladder: SIGTERM, up to grace for the end, SIGKILL.
func (p *Process) Stop(grace time.Duration) Status {
	p.Terminate()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	}
	p.Kill() // also what is left of the group
	return p.Wait()
}

// CloseStdin ends the child's input. The function it returns says, once the
// child has ended, how many bytes of it the child left unread (0 where the
// system cannot tell), and must be called.
func (p *Process) CloseStdin() (unread func() int) {
	if p.Stdin == nil {
		return func() int { return 0 }
	}
	unread = watchPipe(p.Stdin)
	p.Stdin.Close()
	return unread
}

// Close gives up the pipes; it ends nothing. Use it once the process has
// ended or its output is of no interest.
func (p *Process) Close() {
	if p.Stdin != nil {
		p.Stdin.Close()
	}
	p.stdout.file.Close()
}

// StderrDropped is how many lines of standard error were not handed on.
func (p *Process) StderrDropped() int64 { return p.drain.dropped.Load() }

// Tail is the last lines of standard error, dropped ones included; valid
// after Wait.
func (p *Process) Tail() []string {
	<-p.done
	return p.drain.tail.lines()
}

// output is the reading end of a child's pipe. A process that the child left
// behind may hold the other end for ever; once the child is gone, linger
// without a byte counts as the end, and the rest of the group is killed.
type output struct {
	file    *os.File
	process *Process
	linger  time.Duration
}

// expire limits a Read that is under way now that the child is gone.
func (o *output) expire() { o.file.SetReadDeadline(time.Now().Add(o.linger)) }

func (o *output) Read(b []byte) (int, error) {
	for {
		armed := o.process.reaped.Load()
		if armed {
			o.expire() // anew for each Read: a slow reader must not lose what is in the pipe
		}
		n, err := o.file.Read(b)
		switch {
		case err == nil || n > 0:
			return n, nil
		case errors.Is(err, os.ErrDeadlineExceeded) && !armed:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			// We may have stood still since the limit was set, and not have looked.
			if n, err := readNow(o.file, b); !errors.Is(err, syscall.EAGAIN) {
				return n, err
			}
			o.process.Kill()
			return 0, io.EOF
		case errors.Is(err, os.ErrClosed):
			return 0, io.EOF
		}
		return 0, err
	}
}

func closeAll(sets ...[3]*os.File) {
	for _, set := range sets {
		for _, f := range set {
			if f != nil {
				f.Close()
			}
		}
	}
}

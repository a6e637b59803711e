package proc

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Guard is the runner's side of a guard process. It is a Host, safe for
// concurrent use.
type Guard struct {
	lock  string
	cmd   *exec.Cmd
	conn  *net.UnixConn
	ready chan error // one value: the guard holds the lock, or why not
	gone  chan struct{}

	sending sync.Mutex // keeps requests whole

	mu       sync.Mutex
	next     int64
	starting map[int64]chan started
	running  map[int64]*guardedChild

	readyOnce sync.Once
	readyErr  error
}

// ErrGuardGone: the guard process ended although the run had not.
var ErrGuardGone = errors.New("the guard process of this run was killed")

// StartGuard starts self (this program) as the guard of one run; it takes the
// lock file at path, whose folder it makes. It returns at once: Ready, or the
// first Start, waits for the guard.
func StartGuard(self, path string) (*Guard, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the run's lock file: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start the run's guard: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "guard"), os.NewFile(uintptr(pair[1]), "runner")
	defer theirs.Close()
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("start the run's guard: %w", err)
	}
	// No environment: it may hold secrets (invariant 10). Standard files are
	// /dev/null, so that nobody who reads our output waits for the guard.
	cmd := &exec.Cmd{
		Path: self, Args: []string{self, "guard", path}, Env: guardEnvironment(),
		ExtraFiles: []*os.File{theirs}, SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("start the run's guard: %w", err)
	}
	g := &Guard{
		lock: path, cmd: cmd, conn: conn.(*net.UnixConn),
		ready: make(chan error, 1), gone: make(chan struct{}),
		starting: map[int64]chan started{}, running: map[int64]*guardedChild{},
	}
	go g.listen()
	return g, nil
}

// guardEnvironment has nothing of ours but where to put coverage data.
func guardEnvironment() []string {
	env := []string{"GOMAXPROCS=2"}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		env = append(env, "GOCOVERDIR="+dir)
	}
	return env
}

// Ready waits until the guard holds the lock file.
func (g *Guard) Ready() error {
	g.readyOnce.Do(func() { g.readyErr = <-g.ready })
	return g.readyErr
}

// Lock is the path of the lock file.
func (g *Guard) Lock() string { return g.lock }

// PID is the guard's process id.
func (g *Guard) PID() int { return g.cmd.Process.Pid }

// Start starts c as a child of the guard.
func (g *Guard) Start(c Command) (*Process, error) {
	if err := g.Ready(); err != nil {
		return nil, err
	}
	return start(c, g.spawn)
}

// Close ends the guard: it kills what is left of the run's processes, drops
// the lock and ends. An error says that it could not within ten seconds; it
// goes on trying, and keeps the lock.
func (g *Guard) Close() error {
	g.conn.CloseWrite()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-g.gone:
		return nil
	case <-timer.C:
		return fmt.Errorf("a process of the run does not die; its guard (pid %d) keeps %s locked", g.PID(), g.lock)
	}
}

// started is the guard's answer to "start".
type started struct {
	child *guardedChild
	err   error
}

func (g *Guard) spawn(c Command, files [3]*os.File) (child, error) {
	answer := make(chan started, 1)
	g.mu.Lock()
	g.next++
	id := g.next
	g.starting[id] = answer
	g.mu.Unlock()
	err := g.send(request{
		Op: "start", ID: id, Path: c.Path, Args: append([]string{c.Path}, c.Args...), Dir: c.Dir, Env: c.environment(),
	}, files[:]...)
	if err != nil {
		<-g.gone
		return nil, errors.Join(ErrGuardGone, err)
	}
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		return a.child, nil
	case <-g.gone:
		return nil, ErrGuardGone
	}
}

func (g *Guard) send(r request, files ...*os.File) error {
	head, body, err := encodeFrame(r)
	if err != nil {
		return err
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	g.sending.Lock()
	defer g.sending.Unlock()
	if _, _, err := g.conn.WriteMsgUnix(head, rights, nil); err != nil {
		return err
	}
	_, err = g.conn.Write(body)
	return err
}

// listen hands the guard's answers on until the guard is gone, and reaps it.
func (g *Guard) listen() {
	defer close(g.gone)
	head := make([]byte, frameHead)
	for {
		var r reply
		if _, err := io.ReadFull(g.conn, head); err != nil {
			break
		}
		if err := decodeFrame(g.conn, head, &r); err != nil {
			break
		}
		g.take(r)
	}
	g.cmd.Wait()
	g.conn.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, c := range g.running {
		delete(g.running, id)
		signalGroup(c.number, syscall.SIGKILL, false)
		c.end <- Status{Code: -1, Err: ErrGuardGone}
	}
	select {
	case g.ready <- ErrGuardGone:
	default:
	}
}

func (g *Guard) take(r reply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch r.Op {
	case "ready":
		g.ready <- nil
	case "refused":
		g.ready <- fmt.Errorf("guard of this run, lock file %s: %s", g.lock, r.Error)
	case "started":
		c := &guardedChild{guard: g, id: r.ID, number: r.PID, end: make(chan Status, 1)}
		g.running[r.ID] = c
		g.answer(r.ID, started{child: c})
	case "failed":
		err := errors.New(r.Error)
		if r.Errno != 0 {
			err = fmt.Errorf("fork/exec: %w", syscall.Errno(r.Errno))
		}
		g.answer(r.ID, started{err: err})
	case "exited":
		if c := g.running[r.ID]; c != nil {
			delete(g.running, r.ID)
			s := waitStatus(syscall.WaitStatus(r.Wait), nil)
			s.CPU, s.MaxRSS = time.Duration(r.CPU), r.MaxRSS<<10
			c.end <- s
		}
	}
}

func (g *Guard) answer(id int64, a started) {
	if answer := g.starting[id]; answer != nil {
		delete(g.starting, id)
		answer <- a
	}
}

// guardedChild is a child of the guard.
type guardedChild struct {
	guard  *Guard
	id     int64
	number int
	end    chan Status
}

func (c *guardedChild) pid() int     { return c.number }
func (c *guardedChild) wait() Status { return <-c.end }

// signal goes through the guard, which knows whether the number is still ours.
func (c *guardedChild) signal(sig syscall.Signal, _ bool) {
	c.guard.send(request{Op: "signal", ID: c.id, Signal: int(sig)})
}

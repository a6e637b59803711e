package proc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// guardSocket is the guard's end of the socket pair.
const guardSocket = 3

// GuardMain is the guard process (`elt guard LOCKFILE`), started by
// StartGuard. It returns the process's exit code.
func GuardMain(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "elt guard is started by elt run, not by hand")
		return 2
	}
	file := os.NewFile(guardSocket, "runner")
	conn, err := net.FileConn(file)
	if err != nil {
		fmt.Fprintln(os.Stderr, "elt guard is started by elt run, not by hand")
		return 2
	}
	file.Close()
	// The runner decides about stopping; a signal sent to everybody must not
	// end the one that cleans up. (Ignoring them would be inherited.)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT)
	g := &guardServer{conn: conn.(*net.UnixConn), children: map[int64]*guarded{}, byPID: map[int]*guarded{}}
	g.spawned = sync.NewCond(&g.mu)
	return g.run(args[0])
}

// guardServer is the state of a guard process.
type guardServer struct {
	conn *net.UnixConn

	mu        sync.Mutex // also orders what is said to the runner
	children  map[int64]*guarded
	byPID     map[int]*guarded
	spawned   *sync.Cond
	childless bool // the reaper saw that there is no descendant at all
}

type guarded struct {
	id, pid int64
	reaped  bool
}

// run serves the runner until its end of the socket is gone, then kills
// every descendant, reaps, and only then lets go of the lock (invariant 8).
func (g *guardServer) run(path string) int {
	lock := flock.New(path, flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err == nil && !held {
		err = errors.New("the lock file is held by another guard")
	}
	if err == nil {
		err = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
	if err != nil {
		g.say(reply{Op: "refused", Error: err.Error()})
		return 1
	}
	g.childless = true
	go g.reap()
	g.say(reply{Op: "ready", PID: os.Getpid()})
	g.serve()
	g.sweep()
	os.Remove(path) // before the unlock, while it is surely ours
	lock.Unlock()
	return 0
}

// serve starts and signals processes. It stays on one thread: a child gets
// SIGKILL when the thread that started it ends.
func (g *guardServer) serve() {
	runtime.LockOSThread()
	for {
		var r request
		files, err := g.receive(&r)
		if err != nil {
			closeFDs(files)
			return
		}
		switch r.Op {
		case "start":
			g.start(r, files)
		case "signal":
			g.signal(r.ID, syscall.Signal(r.Signal))
		}
		closeFDs(files)
	}
}

func (g *guardServer) receive(r *request) (files []int, err error) {
	head, rights := make([]byte, frameHead), make([]byte, unix.CmsgSpace(3*4))
	n, oobn, _, _, err := g.conn.ReadMsgUnix(head, rights)
	if err != nil || n == 0 {
		return nil, errors.Join(err, net.ErrClosed)
	}
	if messages, err := unix.ParseSocketControlMessage(rights[:oobn]); err == nil {
		for _, m := range messages {
			fds, _ := unix.ParseUnixRights(&m)
			files = append(files, fds...)
		}
	}
	for n < frameHead {
		m, err := g.conn.Read(head[n:])
		if err != nil {
			return files, err
		}
		n += m
	}
	return files, decodeFrame(g.conn, head, r)
}

func (g *guardServer) start(r request, files []int) {
	if len(files) != 3 {
		g.say(reply{Op: "failed", ID: r.ID, Error: "no standard files came with the request"})
		return
	}
	attr := &syscall.ProcAttr{
		Dir: r.Dir, Env: r.Env,
		Files: []uintptr{uintptr(files[0]), uintptr(files[1]), uintptr(files[2])},
		// Should the guard be killed too, at least its own children die.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	}
	g.mu.Lock() // the reaper waits until the child is known
	defer g.mu.Unlock()
	pid, err := syscall.ForkExec(r.Path, r.Args, attr)
	if err != nil {
		answer := reply{Op: "failed", ID: r.ID, Error: err.Error()}
		var errno syscall.Errno
		if errors.As(err, &errno) {
			answer.Errno = int(errno)
		}
		g.sayLocked(answer)
		return
	}
	c := &guarded{id: r.ID, pid: int64(pid)}
	g.children[r.ID], g.byPID[pid] = c, c
	g.childless = false
	g.spawned.Signal()
	g.sayLocked(reply{Op: "started", ID: r.ID, PID: pid})
}

func (g *guardServer) signal(id int64, sig syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.children[id]; c != nil {
		signalGroup(int(c.pid), sig, c.reaped)
	}
}

// reap waits for every child, adopted orphans included. "No child" means no
// descendant at all, since orphans come to the subreaper: then it rests until
// something is started.
func (g *guardServer) reap() {
	for {
		var ws syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &ws, 0, &usage)
		g.mu.Lock()
		switch {
		case err == syscall.ECHILD && len(g.byPID) == 0:
			g.childless = true
			for g.childless {
				g.spawned.Wait()
			}
		case err == nil:
			if c := g.byPID[pid]; c != nil {
				c.reaped = true
				delete(g.byPID, pid)
				s := waitStatus(ws, &usage)
				g.sayLocked(reply{Op: "exited", ID: c.id, Wait: uint32(ws), CPU: int64(s.CPU), MaxRSS: s.MaxRSS >> 10})
			}
		}
		g.mu.Unlock()
	}
}

// sweep kills descendants until there is none.
func (g *guardServer) sweep() {
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		g.mu.Lock()
		done := g.childless
		g.mu.Unlock()
		if done {
			return
		}
		for _, pid := range descendants(os.Getpid()) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(pause)
	}
}

func (g *guardServer) say(r reply) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sayLocked(r)
}

// sayLocked gives up quietly: a runner that does not listen is gone, and
// serve will see that.
func (g *guardServer) sayLocked(r reply) {
	head, body, err := encodeFrame(r)
	if err == nil {
		g.conn.Write(append(head, body...))
	}
}

func closeFDs(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

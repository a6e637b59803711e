package proc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

const pipeSize = 1 << 20

// growPipe asks for a large pipe, so that both sides work in long stretches.
// A refusal (too many pipes of one user, no pipe at all) changes nothing.
// f is the child's end: Fd makes it blocking, as a child expects.
func growPipe(f *os.File) { unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, pipeSize) }

// watchPipe opens the reading end of the pipe that w writes to, only to ask
// later how many bytes are in it.
func watchPipe(w *os.File) func() int {
	none := func() int { return 0 }
	raw, err := w.SyscallConn()
	if err != nil {
		return none
	}
	reader := -1
	raw.Control(func(fd uintptr) {
		reader, err = unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	if err != nil || reader < 0 {
		return none
	}
	return func() int {
		defer unix.Close(reader)
		n, err := unix.IoctlGetInt(reader, unix.TIOCINQ)
		if err != nil {
			return 0
		}
		return n
	}
}

package proc

import (
	"os"

	"golang.org/x/sys/unix"
)

const pipeSize = 1 << 20

// growPipe asks for a large pipe, so that both sides work in long stretches.
// A refusal (too many pipes of one user, no pipe at all) changes nothing.
// f is the child's end: Fd makes it blocking, as a child expects.
func growPipe(f *os.File) { unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, pipeSize) }

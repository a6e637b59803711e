//go:build unix

package filesink

import (
	"os"
	"syscall"
)

// lock waits for the exclusive lock of an open file or directory. It ends
// with the file's close, a killed process included.
func lock(f *os.File) error { return flock(f, syscall.LOCK_EX) }

// tryLock takes the lock if nobody has it.
func tryLock(f *os.File) bool { return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) == nil }

func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	if err := conn.Control(func(fd uintptr) {
		for {
			if locked = syscall.Flock(int(fd), how); locked != syscall.EINTR {
				return
			}
		}
	}); err != nil {
		return err
	}
	return locked
}

// TryLock takes the exclusive lock of an open file if nobody has it; a killed
// process has none.
func TryLock(f *os.File) bool { return tryLock(f) }

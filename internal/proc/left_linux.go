package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// KillLeft ends the processes that have the entry NAME=VALUE in their
// environment: what is left of a run whose guard was killed too, so that
// nobody inherited what had double-forked (invariant 8). A process that took
// the entry out of its environment, or belongs to another user, is not found.
func KillLeft(entry string) error {
	for pause := time.Millisecond; pause < time.Second; pause *= 2 {
		found := marked(entry)
		if len(found) == 0 {
			return nil
		}
		for _, pid := range found {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(pause) // one may have forked meanwhile
	}
	return fmt.Errorf("processes of a dead run do not end: %v", marked(entry))
}

// marked are the processes with the entry in the environment that they were
// started with. This one is never among them; a zombie has no environment.
func marked(entry string) (found []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ")
		for one := range bytes.SplitSeq(environ, []byte{0}) {
			if string(one) == entry {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}

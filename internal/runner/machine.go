package runner

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Machine identifies the machine, its boot, and the file system that dir is
// on: where all three agree, a lock file of one run tells another the truth.
// Two containers on one machine differ unless they share the folder.
func Machine(dir string) string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	id := strings.TrimSpace(string(boot))
	if err != nil {
		id, _ = os.Hostname()
	}
	var st syscall.Stat_t
	if syscall.Stat(dir, &st) == nil {
		id += fmt.Sprintf("/%x:%x", st.Dev, st.Ino)
	}
	return id
}

package crash

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

type process struct {
	pid     int
	cmdline string
}

func (p process) String() string { return fmt.Sprintf("%d %s", p.pid, p.cmdline) }

// marked are the living processes that have the mark in their environment, or
// work in the folder (a guard has no environment). A zombie is dead: it waits
// for a parent that, in a container, may never reap.
func marked(mark, folder string) []process {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	var out []process
	for _, path := range found {
		dir := filepath.Dir(path)
		env, _ := os.ReadFile(path)
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		if cwd != folder && !bytes.Contains(env, []byte(mark+"\x00")) {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		out = append(out, process{pid, strings.ReplaceAll(strings.TrimRight(string(cmdline), "\x00"), "\x00", " ")})
	}
	return out
}

// soon is when the processes of a killed run are gone: at once, unless the
// machine is busy. One that nobody ends stays.
const soon = 15 * time.Second

// survivors are the marked processes still there after the time given.
func survivors(mark, folder string, within time.Duration) []process {
	for end := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		left := marked(mark, folder)
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

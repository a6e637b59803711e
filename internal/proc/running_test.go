package proc

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// A process that has ended but was not waited for is a zombie: it runs no more.
func TestRunning(t *testing.T) {
	if !Running(os.Getpid()) {
		t.Error("this process does not run")
	}
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	for n := 0; Running(pid); n++ {
		if n == 500 {
			t.Fatal("a zombie is said to run")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
	if Running(pid) {
		t.Error("a process that is gone is said to run")
	}
}

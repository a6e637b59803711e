package jdbc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"elt/internal/proc"
	"elt/internal/singer"
	"elt/taps/jdbc"
)

// victim is this test binary as a tap that stops in the middle of a stream
// and waits to be killed.
func victim() {
	cfg, _, err := jdbc.New().Spec().Resolve(json.RawMessage(os.Getenv("JDBC_TEST_VICTIM")))
	if err != nil {
		fmt.Println(err)
		return
	}
	out := newRecorder()
	out.onWrite = func(string, int) error {
		fmt.Println("reading")
		select {}
	}
	fmt.Println(jdbc.New().Sync(context.Background(), cfg, nil, singer.Bookmarks{}, out))
}

// children are the processes whose parent is pid.
func children(pid int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(pid) {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			out = append(out, n)
		}
	}
	return out
}

// manyRows makes rows for which the pipe between the processes is too small.
const manyRows = "create table many (id bigint primary key, filler varchar(100));; insert into many (select n, repeat('x', 100) from unnest(sequence_array(1, 60000, 1)) as t(n))"

// TestKilledTapLeavesNoJava: SIGKILL of the tap, no runner and no guard about.
func TestKilledTapLeavesNoJava(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, manyRows)
	raw, _ := json.Marshal(d.settings(t, map[string]any{"password": "opensesame-of-properties", "user": "SA", "properties": map[string]any{"password": ""}, "jvm_options": []string{"-Dtrust.password=opensesame-too"}}))
	temp := t.TempDir()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "JDBC_TEST_VICTIM="+string(raw), "TAP_JDBC_PASSWORD=opensesame-of-env", "TMPDIR="+temp)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	if !strings.HasPrefix(string(line[:n]), "reading") {
		c.Process.Kill()
		c.Wait()
		t.Fatalf("%s %v", line[:n], err)
	}
	java := children(c.Process.Pid)
	if len(java) != 1 {
		t.Fatalf("the tap has the children %v", java)
	}
	for _, file := range []string{"cmdline", "environ"} { // invariant 10
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", java[0], file))
		if err != nil || strings.Contains(string(content), "opensesame") {
			t.Errorf("%s of the Java process shows a password (%v): %q", file, err, content)
		}
	}
	left, _ := filepath.Glob(filepath.Join(temp, "*"))
	if len(left) > 0 {
		t.Errorf("while it runs, %v lie about", left)
	}
	c.Process.Kill()
	c.Wait()
	for begun := time.Now(); proc.Running(java[0]); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			t.Fatalf("the Java process %d outlives the tap", java[0])
		}
	}
}

// TestStoppedInTheMiddle: the context ends while rows come; nothing is left.
func TestStoppedInTheMiddle(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, manyRows)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var java []int
	out := newRecorder()
	out.onWrite = func(string, int) error {
		if java == nil {
			java = children(os.Getpid())
			cancel()
		}
		return nil
	}
	err := jdbc.New().Sync(ctx, config(t, d.settings(t, nil)), nil, singer.Bookmarks{}, out)
	if err == nil || out.streams["PUBLIC-MANY"].ended {
		t.Errorf("stopped, but %v, ended %v", err, out.streams["PUBLIC-MANY"].ended)
	}
	if len(java) == 0 {
		t.Fatal("no Java process was seen")
	}
	for _, pid := range children(os.Getpid()) {
		for _, old := range java {
			if pid == old && proc.Running(pid) && name(pid) == "java" {
				t.Errorf("Java process %d is left", pid)
			}
		}
	}
}

func name(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(comm))
}

// TestJavaDies: the process is killed under the tap.
func TestJavaDies(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, manyRows)
	out := newRecorder()
	killed := false
	out.onWrite = func(string, int) error {
		for _, pid := range children(os.Getpid()) {
			if name(pid) == "java" && !killed {
				killed = true
				p, _ := os.FindProcess(pid)
				p.Kill()
			}
		}
		return nil
	}
	err := sync1(t, d.settings(t, nil), nil, "", out)
	if err == nil || !strings.Contains(err.Error(), "the Java process ended: killed by signal 9") || !strings.Contains(err.Error(), `stream "PUBLIC-MANY"`) {
		t.Errorf("%v", err)
	}
	if s := out.streams["PUBLIC-MANY"]; s.ended || len(s.positions) > 0 {
		t.Errorf("ended %v, positions %v", s.ended, s.positions)
	}
}

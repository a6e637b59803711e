//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cost is what a command and all its descendants took.
type cost struct {
	wall float64 // seconds until the command itself ended
	cpu  float64 // user and system seconds of all
	peak float64 // MB: the highest memory (VmHWM) of any one process
}

const subreaper = 36 // PR_SET_CHILD_SUBREAPER: orphans come to us and count

// measure runs a command and waits for all of its descendants.
func measure(ctx context.Context, dir string, env []string, argv ...string) (c cost, err error) {
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, subreaper, 1, 0); errno != 0 {
		return c, fmt.Errorf("become a subreaper: %w", errno)
	}
	before, err := childrenCPU()
	if err != nil {
		return c, err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), &said, &said
	quit, peak := make(chan struct{}), make(chan float64)
	go func() { peak <- watch(quit) }()
	start := time.Now()
	err = cmd.Run()
	c.wall = time.Since(start).Seconds()
	for { // what is left behind
		if _, e := syscall.Wait4(-1, nil, 0, nil); e != nil && !errors.Is(e, syscall.EINTR) {
			break
		}
	}
	close(quit)
	c.peak = <-peak
	if err != nil {
		return c, fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, said.Bytes())
	}
	after, err := childrenCPU()
	c.cpu = after - before
	return c, err
}

func childrenCPU() (float64, error) {
	var use syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &use)
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1e9, err
}

// watch looks at the descendants every few milliseconds.
func watch(quit chan struct{}) (most float64) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, pid := range descendants(os.Getpid()) {
			most = max(most, peakOf(pid))
		}
		select {
		case <-quit:
			return most
		case <-tick.C:
		}
	}
}

func descendants(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		raw, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(raw)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

func peakOf(pid int) float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(raw)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// command runs a command of the project, which reads the message as JSON.
type command struct {
	line string
	dir  string
	env  []string
}

func (c command) Tell(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", c.line)
	cmd.Dir, cmd.Env, cmd.Stdin = c.dir, c.env, bytes.NewReader(append(body, '\n'))
	// What the command starts ends with it, also when it takes too long.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var said tail
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", cut(line(c.line), 80), err, line(string(said)))
	}
	return nil
}

// tail keeps the last of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	const kept = 400
	*t = append(*t, p...)
	if extra := len(*t) - kept; extra > 0 {
		*t = append((*t)[:0], (*t)[extra:]...)
	}
	*t = []byte(strings.ToValidUTF8(string(*t), ""))
	return len(p), nil
}

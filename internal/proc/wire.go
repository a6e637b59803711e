package proc

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// request is what a runner asks of its guard.
type request struct {
	Op     string   `json:"op"` // "start" (three files come with it), "signal"
	ID     int64    `json:"id"`
	Path   string   `json:"path,omitempty"`
	Args   []string `json:"args,omitempty"` // with the executable's name
	Dir    string   `json:"dir,omitempty"`
	Env    []string `json:"env,omitempty"`
	Signal int      `json:"signal,omitempty"`
}

// reply is what a guard says.
type reply struct {
	Op    string `json:"op"` // "ready", "refused", "started", "failed", "exited"
	ID    int64  `json:"id,omitempty"`
	PID   int    `json:"pid,omitempty"`
	Error string `json:"error,omitempty"`
	Errno int    `json:"errno,omitempty"`
	// Of an exit: the raw wait status, CPU time in ns, peak memory in KiB.
	Wait   uint32 `json:"wait,omitempty"`
	CPU    int64  `json:"cpu,omitempty"`
	MaxRSS int64  `json:"max_rss,omitempty"`
}

// A frame is four bytes of length and JSON. Files ride on the length.
const (
	frameHead = 4
	maxFrame  = 64 << 20
)

func encodeFrame(v any) (head, body []byte, err error) {
	if body, err = json.Marshal(v); err != nil {
		return nil, nil, err
	}
	return binary.BigEndian.AppendUint32(nil, uint32(len(body))), body, nil
}

func decodeFrame(r io.Reader, head []byte, v any) error {
	n := binary.BigEndian.Uint32(head)
	if n > maxFrame {
		return fmt.Errorf("a message of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

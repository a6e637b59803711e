package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	tailLines = 20
	longest   = 64 << 10 // of a line; what is longer is cut into several
)

// copyLog copies the log of the pod that the channel names to its end. Each
// line comes with its time, so that a lost connection is taken up after the
// last one that arrived.
func (r *run) copyLog(ctx context.Context, pods <-chan string) {
	pod, ok := <-pods
	if !ok {
		return
	}
	var last time.Time // of the newest line
	var same int       // how many lines of that time there were
	for pause := pauses(); ctx.Err() == nil; pause.wait(ctx) {
		query := url.Values{"container": {r.container}, "follow": {"true"}, "timestamps": {"true"}}
		if !last.IsZero() {
			query.Set("sinceTime", last.Truncate(time.Second).Format(time.RFC3339))
		}
		body, err := r.client.open(ctx, http.MethodGet, core, "pods/"+pod+"/log", query, nil)
		switch {
		case is(err, http.StatusNotFound):
			return // gone with its log
		case is(err, http.StatusBadRequest) && !r.over():
			continue // the container is about to start
		case err != nil && !passing(err):
			r.log.Line([]byte("elt: the log of pod " + pod + " cannot be read: " + err.Error()))
			return
		case err != nil:
			continue
		}
		before, skip := last, same
		err = lines(body, func(at time.Time, line []byte) {
			switch {
			case at.Before(before):
				return
			case at.Equal(before) && skip > 0:
				skip--
				return
			case at.Equal(last):
				same++
			default:
				last, same = at, 1
			}
			r.say(line)
			pause.reset()
		})
		body.Close()
		if err == nil && r.over() {
			return
		}
	}
}

// over says that the run's container has ended: the end of its log is final.
func (r *run) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.pod.Status.Containers {
		if s.Name == r.container && s.State.Terminated != nil {
			return true
		}
	}
	return r.pod.Status.Phase == "Succeeded" || r.pod.Status.Phase == "Failed"
}

func (r *run) say(line []byte) {
	r.log.Line(line)
	if len(r.tail) == tailLines {
		r.tail = append(r.tail[:0], r.tail[1:]...)
	}
	r.tail = append(r.tail, string(line[:min(len(line), 4<<10)]))
}

// lines gives each line with its time, "2024-01-02T03:04:05.678901234Z text";
// nil when the log ended well.
func lines(r io.Reader, give func(at time.Time, line []byte)) error {
	in := bufio.NewReaderSize(r, longest)
	var at time.Time
	whole := true
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			text := bytes.TrimSuffix(line, []byte("\n"))
			if whole {
				stamp, rest, _ := bytes.Cut(text, []byte(" "))
				if t, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil {
					at, text = t, rest
				}
			}
			if whole = err == nil; whole || errors.Is(err, bufio.ErrBufferFull) || errors.Is(err, io.EOF) {
				give(at, text)
			}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

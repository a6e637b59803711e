package pipe

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"elt/internal/singer"
)

// acks reads the last stage's standard output: a line that is a JSON object
// is an acknowledged STATE value, any other is talk.
type acks struct {
	from   *stage
	events *Events
	trace  *singer.Trace   // nil: the stage is tap and target in one, and vouches for itself
	start  json.RawMessage // what is known before the first ack
	fail   func(*Failure)

	last    json.RawMessage
	refused []error
	failed  bool
}

func (a *acks) run() {
	r := bufio.NewReaderSize(a.from.stdout, 64<<10)
	for {
		line, err := readLine(r)
		switch {
		case errors.Is(err, errLongLine):
			a.events.Warn(fmt.Sprintf("%s wrote a line of more than %d MiB, which is no state", a.from.name, maxState>>20))
			continue
		case len(line) > 0 && (err == nil || err == io.EOF):
			a.line(line)
		}
		if err != nil {
			return
		}
	}
}

func (a *acks) line(line []byte) {
	value := bytes.TrimSpace(line)
	if len(value) == 0 || value[0] != '{' || !json.Valid(value) {
		a.events.Line(bytes.TrimRight(line, "\r\n"))
		return
	}
	if a.failed {
		return // the store refused the one before
	}
	if err := a.check(value); err != nil {
		a.refused = append(a.refused, err)
		if len(a.refused) == 1 {
			a.events.Warn(err.Error() + "; it does not count")
		}
		return
	}
	if singer.NewBookmarks(value).IsZero() {
		return // nothing known, nothing said
	}
	a.last = bytes.Clone(value)
	if err := a.events.Ack(a.last); err != nil {
		a.failed = true
		a.fail(&Failure{Kind: Refused, Err: err})
	}
}

func (a *acks) check(value json.RawMessage) error {
	if a.trace != nil {
		return a.trace.Check(value)
	}
	known := !singer.NewBookmarks(a.start).IsZero() || a.last != nil
	if known && singer.NewBookmarks(value).IsZero() {
		return fmt.Errorf("%s acknowledged an empty state although bookmarks are known", a.from.name)
	}
	return nil
}

var errLongLine = errors.New("line too long")

// readLine reads one line of at most maxState bytes; a longer one is skipped.
// With io.EOF the last line may come without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err == nil || err != bufio.ErrBufferFull {
		return line, err
	}
	long := bytes.Clone(line)
	for err == bufio.ErrBufferFull {
		line, err = r.ReadSlice('\n')
		if len(long) <= maxState {
			long = append(long, line...)
		}
	}
	if err == nil && len(long) > maxState {
		return nil, errLongLine
	}
	return long, err
}

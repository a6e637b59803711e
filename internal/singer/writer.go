package singer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"elt/internal/row"
)

// ErrReaderGone says that whoever read the output went away; it is for the
// reader to say why.
var ErrReaderGone = errors.New("the reader of the output went away")

const (
	flushSize  = 256 << 10       // a stream's buffer is written out beyond this
	flushAfter = 1 * time.Second // or when it has been idle this long
)

// WriterOptions are the parts of a Writer that are not the same for every tap.
type WriterOptions struct {
	// Bookmarks is the state that the tap was started with; STATE values are
	// this with the streams' new positions.
	Bookmarks Bookmarks
	Style     Style
	// Now tells the time for deletions without one; nil is time.Now.
	Now func() time.Time
}

// Writer writes Singer messages. Streams may be written concurrently: each
// has a buffer of its own, only whole lines reach out, and a STATE follows
// every RECORD that it covers.
type Writer struct {
	style Style
	now   func() time.Time

	mu    sync.Mutex // guards what follows and every write to out
	out   io.Writer
	err   error // of the first write that failed; all later ones fail with it
	marks *Marks
	open  map[*StreamWriter]struct{}
	stats []StreamCount

	stop chan struct{}
	done chan struct{}
}

// StreamCount is what a closed or open stream has sent.
type StreamCount struct {
	Stream  string
	Rows    int64
	Seconds float64
}

// NewWriter starts a writer; Close must be called. It owns one goroutine,
// which flushes what has been idle for a second.
func NewWriter(out io.Writer, o WriterOptions) *Writer {
	w := &Writer{
		style: o.Style, now: o.Now, out: out, marks: NewMarks(o.Bookmarks), open: map[*StreamWriter]struct{}{},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if w.now == nil {
		w.now = time.Now
	}
	go w.flushIdle()
	return w
}

func (w *Writer) flushIdle() {
	defer close(w.done)
	tick := time.NewTicker(flushAfter)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		for _, s := range w.openStreams() {
			s.flushIfIdle()
		}
	}
}

func (w *Writer) openStreams() []*StreamWriter {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.open))
}

// Stream opens a stream and announces its schema.
func (w *Writer) Stream(ctx context.Context, schema *row.Schema) (*StreamWriter, error) {
	s := &StreamWriter{w: w, ctx: ctx, began: w.now()}
	if err := s.Schema(schema); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[s] = struct{}{}
	return s, nil
}

// Close writes out what streams still hold, stops the goroutine and returns
// the first error of writing. Streams must not be used afterwards.
func (w *Writer) Close() error {
	select {
	case <-w.stop:
	default:
		close(w.stop)
	}
	<-w.done
	for _, s := range w.openStreams() {
		_ = s.Close() // w.err keeps it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Counts is what each stream sent, in the order in which they ended.
func (w *Writer) Counts() []StreamCount {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.stats)
}

// write sends whole lines; w.mu is held.
func (w *Writer) write(lines []byte) error {
	if w.err != nil || len(lines) == 0 {
		return w.err
	}
	if _, err := w.out.Write(lines); err != nil {
		w.err = fmt.Errorf("writing messages: %w", err)
		if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) {
			w.err = ErrReaderGone
		}
	}
	return w.err
}

// StreamWriter is one stream of a Writer. Its methods are called by one goroutine.
type StreamWriter struct {
	w     *Writer
	ctx   context.Context
	began time.Time

	mu      sync.Mutex // guards what follows against the idle flush
	schema  *row.Schema
	enc     *Encoder
	buf     []byte
	touched bool // written to since the last tick
	deletes bool // _sdc_deleted_at was announced
	version int64
	rows    int64
	left    int64 // rows that the tap could not read
	closed  bool
}

// Rejected counts rows that the tap could not read and left out, for a reader
// of ours.
func (s *StreamWriter) Rejected(rows int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left += rows
}

// Schema announces a shape; the same one again is not sent twice.
func (s *StreamWriter) Schema(schema *row.Schema) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema != nil && s.schema.Same(schema) && string(s.schema.Source) == string(schema.Source) {
		s.schema = schema
		return nil
	}
	return s.announce(schema)
}

func (s *StreamWriter) announce(schema *row.Schema) (err error) {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.buf, err = appendSchemaMessage(s.buf, schema, s.w.style, s.deletes); err != nil {
		return err
	}
	s.schema, s.enc = schema, NewEncoder(schema, s.w.style, s.deletes)
	return s.flush()
}

// Write sends rows. It consumes the batch, error or not.
func (s *StreamWriter) Write(b *row.Batch) error {
	defer b.Release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if b.Schema != s.schema && !b.Schema.Same(s.schema) {
		return fmt.Errorf("stream %q: a batch has another schema than the one announced", s.schema.Stream)
	}
	if b.Ops != nil {
		if err := s.mindDeletes(b); err != nil {
			return err
		}
	}
	s.touched = true
	for i := range b.Len() {
		s.buf = s.enc.AppendRecord(s.buf, b, i)
		if len(s.buf) >= flushSize {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	s.rows += int64(b.Len())
	return nil
}

// mindDeletes announces the deletion marker before the first row that needs it.
func (s *StreamWriter) mindDeletes(b *row.Batch) error {
	for _, op := range b.Ops {
		if op != row.Delete {
			continue
		}
		if !s.deletes {
			s.deletes = true
			if s.schema.Index(DeletedAt) < 0 {
				if err := s.announce(s.schema); err != nil {
					return err
				}
			}
		}
		s.enc.SetNow(s.w.now().UnixMicro() - epoch)
		return nil
	}
	return nil
}

const epoch = 946684800e6 // 2000-01-01 in Unix microseconds

// Position says that everything written so far is covered by value, and
// writes a STATE. A nil value takes the stream's bookmark away. To a reader of
// ours the STATE has this stream alone, so that a thousand streams do not each
// repeat the bookmarks of the others.
func (s *StreamWriter) Position(p Position) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if err := s.send(); err != nil {
		return err
	}
	stream := p.Stream
	if stream == "" {
		stream = s.schema.Stream
	}
	if err := s.w.marks.Set(stream, p.Value); err != nil {
		return err
	}
	if s.w.style != Native {
		return s.w.write(append(append([]byte(`{"type":"STATE","value":`), s.w.marks.Raw()...), "}\n"...))
	}
	var only Marks
	only.Set(stream, p.Value)
	line, err := marshal(struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
		Moved moved           `json:"x-elt-moved"` // eltMoved
	}{"STATE", only.Raw(), moved{stream, p.Exact, p.Rows}})
	if err != nil {
		return err
	}
	return s.w.write(append(line, '\n'))
}

// Position is a stream's bookmark and what it stands for.
type Position struct {
	Stream string
	Value  json.RawMessage
	Exact  bool
	Rows   int64
}

// eltMoved is the key of moved in a STATE message.
const eltMoved = "x-elt-moved"

// moved tells one of our own targets which stream a STATE is about, and whether
// resuming there repeats nothing (invariant 4).
type moved struct {
	Stream string `json:"stream"`
	Exact  bool   `json:"exact"`
	Rows   int64  `json:"rows"`
}

// Activate remembers the version; the message goes out with End, because a
// target may obey it at once and a run that dies before would leave nothing.
func (s *StreamWriter) Activate(version int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
	return nil
}

// End says that the stream is complete.
func (s *StreamWriter) End() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if s.closed {
		return nil
	}
	if s.version != 0 {
		name, err := marshal(s.schema.Stream)
		if err != nil {
			return err
		}
		s.buf = fmt.Appendf(s.buf, "{\"type\":\"ACTIVATE_VERSION\",\"stream\":%s,\"version\":%d}\n", name, s.version)
	}
	return s.finish(true)
}

// Close gives the stream's place to the next one; it may be called again.
// Without End before it the stream was broken off: what it still holds is
// sent, but no version is activated.
func (s *StreamWriter) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return s.finish(false)
}

// finish writes out what the stream still holds, and tells a target of ours
// that this was all.
func (s *StreamWriter) finish(complete bool) error {
	if s.w.style == Native {
		name, err := marshal(s.schema.Stream)
		if err != nil {
			return err
		}
		s.buf = fmt.Appendf(s.buf, "{\"type\":%q,\"stream\":%s,\"complete\":%t", StreamEndMessage, name, complete)
		if s.left > 0 {
			s.buf = fmt.Appendf(s.buf, ",\"rejected\":%d", s.left)
		}
		s.buf = append(s.buf, "}\n"...)
	}
	err := s.flush()
	if err != nil && complete {
		return err // Close says it again
	}
	s.closed = true
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	delete(s.w.open, s)
	s.w.stats = append(s.w.stats, StreamCount{s.schema.Stream, s.rows, s.w.now().Sub(s.began).Seconds()})
	return err
}

func (s *StreamWriter) flushIfIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.touched {
		s.touched = false
		return
	}
	_ = s.flush() // the next call of the stream meets the error
}

// flush writes the buffer out; s.mu is held.
func (s *StreamWriter) flush() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.send()
}

// send writes the buffer out; both locks are held.
func (s *StreamWriter) send() error {
	err := s.w.write(s.buf)
	s.buf = s.buf[:0]
	return err
}

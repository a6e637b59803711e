package singer

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
)

// Handler takes what a Reader has read. Its methods are called by one
// goroutine, in the order of the input, and may block; an error ends Run,
// which returns it as it is.
type Handler interface {
	// Schema announces a stream or a new shape of it; all earlier rows of the
	// stream were handed over before.
	Schema(ctx context.Context, schema *row.Schema) error
	// Write consumes the batch, error or not.
	Write(ctx context.Context, batch *row.Batch) error
	// State is a position over all streams; all earlier rows of all streams
	// were handed over before. The handler may keep value.
	State(ctx context.Context, value json.RawMessage) error
	// Activate says that rows of the stream's other versions are dead; all
	// its earlier rows were handed over before.
	Activate(ctx context.Context, stream string, version int64) error
	// Tick is called at least once a second while the handler itself does
	// not block, also when the input is silent; all rows so far were handed
	// over before.
	Tick(ctx context.Context) error
}

// PeerHandler is a Handler that understands what only our own taps say (Style
// Native): which stream a STATE moved, and where a stream ends.
type PeerHandler interface {
	Handler
	// Position is called instead of State with what one stream's STATE says.
	Position(ctx context.Context, p Position) error
	// StreamEnd says that no more comes of the stream, unless it is announced
	// anew. complete: swaps and purges may happen now; otherwise it was broken off.
	StreamEnd(ctx context.Context, stream string, complete bool) error
}

// RejectCounter is a PeerHandler that counts rows which a tap could not read
// and left out. It is told before the stream's end.
type RejectCounter interface {
	Rejected(stream string, rows int64)
}

// End is how an input ended.
type End struct {
	// Said: the line ELT_END was there. Without it the end of the input may be
	// the end of a broken run; only who started it can tell.
	Said bool
	// Stopped: the line ELT_STOP was there instead.
	Stopped bool
	// Lines is how many lines there were.
	Lines int64
}

// BadRecord is a RECORD that cannot become a row.
type BadRecord struct {
	Stream string // "" when the line does not say
	Line   int64
	Raw    []byte // the line, or the record in a BATCH file; valid during the call
	Record int64  // which record of its file it is, from 1; 0: it is in no file
	Err    error  // what a user is told
}

// ReaderOptions say how to read; the zero value is what a SQL target wants.
type ReaderOptions struct {
	Flatten    Flatten
	KeepAbsent bool // an absent property is unset instead of NULL
	NUL        NULPolicy
	Base16     bool // strings with contentEncoding base16 are bytes
	BlankNull  bool // an empty string is NULL where its schema wants a date, a number, a boolean
	Validate   bool // check each record against its JSON Schema; slow
	// OnBad decides about a RECORD that cannot become a row: nil skips it. A
	// nil OnBad fails. A line that is no Singer message always fails.
	OnBad func(BadRecord) error
	// Warn takes what a user should know once; nil drops it.
	Warn func(text string)
	// BatchBytes is how big batches get; 0 means 256 KiB.
	BatchBytes int
}

// Reader reads a Singer stream into batches of rows.
type Reader struct {
	in      io.Reader
	o       ReaderOptions
	h       Handler
	pool    *row.Pool
	streams map[string]*stream
	order   []*stream
	last    *stream // of the last record
	open    int     // streams that have a batch
	line    int64
	batch   batchPlace // set while a BATCH file is read
	warned  map[string]bool
	ended   bool
	stopped bool          // by ELT_STOP
	cut     bool          // the line has no newline: the input ended
	every   time.Duration // rows wait no longer than this, nor does Tick
	tick    *time.Ticker
}

const (
	defaultBatch = 256 << 10
	// mostOpen bounds the memory of streams whose records alternate.
	mostOpen = 32
	tickTime = 500 * time.Millisecond
)

// NewReader makes a Reader; nothing is read before Run.
func NewReader(in io.Reader, o ReaderOptions) *Reader {
	if o.BatchBytes <= 0 {
		o.BatchBytes = defaultBatch
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
	return &Reader{in: in, o: o, every: tickTime, pool: row.NewPool(0), streams: map[string]*stream{}, warned: map[string]bool{}}
}

// Run reads to the end of the input and hands everything to h. It returns
// when the input ends, h fails, a line is bad or ctx is done; a goroutine that
// is still blocked in reading then ends with the input (see frames.close).
func (r *Reader) Run(ctx context.Context, h Handler) (end End, err error) {
	r.h = h
	r.tick = time.NewTicker(r.every)
	defer r.tick.Stop()
	defer r.release()
	f := newFrames(r.in)
	defer f.close()
	for {
		line, whole, err := f.next(ctx, r.tick.C)
		switch {
		case err == errIdle:
			if err := r.idle(ctx); err != nil {
				return r.end(), err
			}
			continue
		case err == io.EOF:
			return r.end(), r.handOverAll(ctx)
		case err != nil:
			return r.end(), err
		}
		r.line++
		r.cut = !whole
		if err := r.message(ctx, line); err != nil {
			return r.end(), err
		}
	}
}

func (r *Reader) end() End {
	return End{Said: r.ended && !r.stopped, Stopped: r.stopped, Lines: r.line}
}

func (r *Reader) idle(ctx context.Context) error {
	if err := r.handOverAll(ctx); err != nil {
		return err
	}
	return r.h.Tick(ctx)
}

// message takes one line.
func (r *Reader) message(ctx context.Context, line []byte) error {
	if r.ended && space(line, 0) < len(line) {
		return r.fail("", line, &flaw{text: "a line after ELT_END"})
	}
	if s := r.guess(line); s != nil {
		return s.message(ctx, line)
	}
	if r.line == 1 && literal(line, 0, "\ufeff") {
		line = line[len("\ufeff"):]
	}
	if space(line, 0) == len(line) {
		return nil
	}
	m, err := parseEnvelope(line)
	if err != nil {
		if Type(line) == RecordMessage {
			return r.bad(streamOf(line), line, err)
		}
		return r.fail("", line, err)
	}
	switch m.kind {
	case NoMessage:
		return r.fail("", line, broken(0, "the type is missing"))
	case OtherMessage:
		r.warn("type "+m.name, "line %d: messages of type %s are skipped", r.line, quoted(m.name))
		return nil
	case StateMessage:
		if m.value == nil {
			return r.fail("", line, &flaw{text: "a STATE without a value"})
		}
		return r.state(ctx, line, &m)
	case EndMessage, StopMessage:
		r.ended, r.stopped = true, m.kind == StopMessage
		return nil
	}
	if m.stream == "" {
		return r.fail("", line, &flaw{text: "a " + m.kind.String() + " without a stream"})
	}
	if m.kind == SchemaMessage {
		return r.schema(ctx, line, &m)
	}
	s := r.streams[m.stream]
	if s == nil {
		return r.fail(m.stream, line, &flaw{text: "a " + m.kind.String() + " before the stream's SCHEMA"})
	}
	switch m.kind {
	case StreamEndMessage:
		return r.streamEnd(ctx, s, string(m.complete) == "true", m.left)
	case ActivateMessage:
		version, ok := versionOf(m.version)
		if !ok {
			return r.fail(m.stream, line, &flaw{text: "an ACTIVATE_VERSION without a version"})
		}
		if err := s.handOver(ctx); err != nil {
			return err
		}
		return r.h.Activate(ctx, m.stream, version)
	case BatchMessage:
		return r.files(ctx, s, line, &m)
	}
	return s.envelope(ctx, line, &m)
}

// guess is the stream whose records begin like line, the last one first.
func (r *Reader) guess(line []byte) *stream {
	if s := r.last; s != nil && s.prefix != "" && literal(line, 0, s.prefix) {
		return s
	}
	for n, s := range r.order {
		if n == mostOpen {
			break
		}
		if s.prefix != "" && literal(line, 0, s.prefix) {
			r.last = s
			return s
		}
	}
	return nil
}

// handOverAll hands all open batches to the handler.
func (r *Reader) handOverAll(ctx context.Context) error {
	if r.open == 0 {
		return nil
	}
	for _, s := range r.order {
		if err := s.handOver(ctx); err != nil {
			return err
		}
	}
	return nil
}

// release gives back what was not handed over.
func (r *Reader) release() {
	for _, s := range r.order {
		if s.batch != nil {
			s.batch.Release()
			s.batch = nil
		}
	}
	r.open = 0
}

// warn tells the user once per subject.
func (r *Reader) warn(subject, format string, args ...any) {
	const most = 1000
	if r.warned[subject] || len(r.warned) > most {
		return
	}
	r.warned[subject] = true
	if len(r.warned) > most {
		r.o.Warn("there is more to say of this input, but no more is said")
		return
	}
	r.o.Warn(fault.New(fault.OK, format, args...).Msg)
}

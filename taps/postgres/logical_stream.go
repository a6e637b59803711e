package postgres

import (
	"context"
	"fmt"

	"elt/internal/row"
	"elt/taps"
	"elt/taps/postgres/replication"
)

// logStream is a LOG_BASED stream while the log is read. Rows gather in a
// batch; positions are ends of transactions, never something within one.
type logStream struct {
	plan *plan // with the schema of the rows that come now
	from replication.LSN
	skip bool // the stream has the transaction that is being read
	maps map[*replication.Relation]*mapping

	out    taps.Stream // nil: not open
	schema *row.Schema // the one it has announced
	batch  *row.Batch  // nil: nothing gathers
	queue  []*row.Batch
	rows   int64           // written since it was opened
	told   replication.LSN // the last position
	dirty  bool            // rows came since then
	midway bool            // rows of the transaction that is being read were written
	used   int             // when it was last written to
	failed error
}

// lanes shares the few streams that an output has open at the same time among
// all that the log brings rows of. One that needs a place takes that of the
// stream which has waited longest, which is ended, and opened again when the
// log comes back to it.
type lanes struct {
	out     taps.Output
	pool    *row.Pool
	streams []*logStream
	full    int // bytes of a full batch
	open    int
	clock   int
}

// bufferBytes is what batches of all streams may hold together.
const bufferBytes = 32 << 20

func newLanes(out taps.Output, pool *row.Pool, streams []*logStream) *lanes {
	return &lanes{out: out, pool: pool, streams: streams, full: max(16<<10, min(batchBytes, bufferBytes/max(1, len(streams))))}
}

// shared says that there are more streams than places.
func (l *lanes) shared() bool { return len(l.streams) > l.out.Parallel() }

// batchFor is the batch to add a row of shape to.
func (l *lanes) batchFor(ctx context.Context, s *logStream, shape *plan) (*row.Batch, error) {
	if s.plan.schema != shape.schema {
		if err := l.write(ctx, s); err != nil {
			return nil, err
		}
	}
	s.plan = shape
	if s.batch == nil {
		s.batch = l.pool.Get(shape.schema)
		s.batch.Version = shape.version
	}
	return s.batch, nil
}

// added is called after each row.
func (l *lanes) added(ctx context.Context, s *logStream) error {
	s.dirty = true
	if len(s.batch.Data) < l.full {
		return nil
	}
	return l.write(ctx, s)
}

// write hands on what has gathered. Where no stream may be ended now, since
// appended rows must end with a position, it is kept until one may.
func (l *lanes) write(ctx context.Context, s *logStream) error {
	if s.batch != nil && s.batch.Len() > 0 {
		s.queue, s.batch = append(s.queue, s.batch), nil
	}
	if len(s.queue) == 0 {
		return nil
	}
	if opened, err := l.ready(ctx, s); !opened {
		return err
	}
	for len(s.queue) > 0 {
		b := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if b.Schema != s.schema {
			if err := s.out.Schema(b.Schema); err != nil {
				b.Release()
				return err
			}
			s.schema = b.Schema
		}
		s.rows += int64(b.Len())
		s.midway = true
		if err := s.out.Write(b); err != nil {
			return err
		}
	}
	s.queue = nil
	return nil
}

// ready opens the stream if it must be; false: there is no place now.
func (l *lanes) ready(ctx context.Context, s *logStream) (bool, error) {
	l.clock++
	s.used = l.clock
	if s.out != nil {
		return true, nil
	}
	for l.open >= l.out.Parallel() {
		victim := l.oldest()
		if victim == nil {
			return false, nil
		}
		if err := l.end(victim); err != nil {
			l.fail(victim, err)
		}
	}
	schema := s.plan.schema
	if len(s.queue) > 0 {
		schema = s.queue[0].Schema
	}
	out, err := l.out.Stream(ctx, schema)
	if err != nil {
		return false, err
	}
	l.open++
	s.out, s.schema, s.rows = out, schema, 0
	return true, nil
}

// oldest is the stream to end for another: not one whose rows are appended and
// have no position yet, for they would come again after a crash (invariant 4).
func (l *lanes) oldest() (found *logStream) {
	for _, s := range l.streams {
		if s.out != nil && (!s.midway || len(s.plan.schema.Key) > 0) && (found == nil || s.used < found.used) {
			found = s
		}
	}
	return found
}

// covered hands on everything that has gathered, and says of each stream that
// it stands at the end of a transaction; idle: also of streams without rows.
func (l *lanes) covered(ctx context.Context, at replication.LSN, idle bool) {
	for _, open := range []bool{true, false} { // those that have a place first: then they may give it away
		for _, s := range l.streams {
			if s.failed != nil || (s.out != nil) != open || !s.dirty && (!idle || s.told >= at) || at < s.from {
				continue
			}
			err := l.write(ctx, s)
			if err == nil {
				err = l.position(ctx, s, at)
			}
			if err != nil {
				l.fail(s, err)
			}
		}
	}
}

func (l *lanes) position(ctx context.Context, s *logStream, at replication.LSN) error {
	if opened, err := l.ready(ctx, s); !opened {
		return err
	}
	err := s.out.Position(taps.Position{Stream: s.plan.id, Value: s.plan.logMark(at), Exact: true, Rows: s.rows})
	s.told, s.dirty, s.midway = at, false, false
	return err
}

// truncate empties the stream's table at the destination: what is there is
// made durable first, so that rows which follow are not counted among it.
func (l *lanes) truncate(ctx context.Context, s *logStream, version int64) error {
	err := l.write(ctx, s)
	if err == nil && s.out != nil {
		err = l.end(s)
	}
	if err != nil {
		return err
	}
	shape := *s.plan
	shape.version = version
	for _, m := range s.maps {
		m.plan.version = version
	}
	s.plan = &shape
	if opened, err := l.ready(ctx, s); !opened {
		if err == nil {
			err = fmt.Errorf("no place to empty the table in: more tables without a key than parallelism were changed in one transaction")
		}
		return err
	}
	s.dirty = true
	if err := s.out.Activate(version); err != nil {
		return err
	}
	return l.end(s)
}

// end completes a stream for now.
func (l *lanes) end(s *logStream) error {
	if s.out == nil {
		return nil
	}
	out := s.out
	s.out, s.midway = nil, false
	l.open--
	err := out.End()
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// fail gives one stream up; the others go on.
func (l *lanes) fail(s *logStream, err error) {
	if s.failed == nil {
		s.failed = fmt.Errorf("stream %q: %w", s.plan.id, err)
	}
	l.drop(s)
}

// drop closes a stream without ending it, and gives up what has gathered.
func (l *lanes) drop(s *logStream) {
	for _, b := range s.queue {
		b.Release()
	}
	if s.batch != nil {
		s.batch.Release()
	}
	s.queue, s.batch = nil, nil
	if s.out != nil {
		s.out.Close()
		s.out = nil
		l.open--
	}
}

// finish ends all streams.
func (l *lanes) finish() {
	for _, s := range l.streams {
		if s.failed == nil {
			if err := l.end(s); err != nil {
				l.fail(s, err)
			}
		}
	}
}

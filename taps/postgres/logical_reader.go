package postgres

import (
	"context"
	"time"

	"elt/internal/fault"
	"elt/taps/postgres/replication"
)

// When what has gathered is handed on, at the end of a transaction: soon; not
// so soon where streams take each other's places, for each time costs the
// destination a commit. Streams without changes say now and then how far the
// log is, so that the server need not keep it on their behalf.
const (
	coverEvery  = time.Second
	sharedEvery = 10 * time.Second
	idleEvery   = time.Minute
)

// logReader takes changes out of the log and gives them to their streams.
type logReader struct {
	*logs
	streams []*logStream
	kept    *kept
	lanes   *lanes
	decoder func() replication.Decoder
	began   time.Time

	conn    *replication.Conn
	sender  uint32          // the server's process at its other end
	begun   replication.LSN // the transaction that is being read, by its commit
	taken   int             // changes of it that were handed on
	awaited bool            // it was begun over another connection, and comes again
	repeat  int             // so many of its changes have been handed on

	end       replication.LSN // where the log ended at the start, 0: does not matter
	at        replication.LSN // everything before it was read
	within    bool            // a transaction has begun and not ended
	micros    int64           // when it was committed
	lastData  time.Time
	lastCover time.Time
	lastIdle  time.Time
	asked     time.Time       // when the server was asked how far it is; zero: it has answered
	told      replication.LSN // its last answer
	silent    int             // answers in a row that brought nothing new
	owners    map[*replication.Relation]*logStream
}

// begin finds out where to begin and where to end, and connects.
func (r *logReader) begin(ctx context.Context) (err error) {
	r.at = r.streams[0].from
	for _, s := range r.streams {
		r.at = min(r.at, s.from)
	}
	if r.set.Log.Break {
		if r.end, err = r.logEnd(ctx); err != nil {
			return err
		}
	}
	r.began = time.Now()
	r.lastData, r.lastCover, r.lastIdle = r.began, r.began, r.began
	return r.connect(ctx)
}

// read reads until the run's end, with everything handed on and positions
// said. An error leaves streams as they are; of a connection that broke it is
// a replication.Lost.
func (r *logReader) read(ctx context.Context) error {
	tick := time.NewTicker(coverEvery / 2)
	defer tick.Stop()
	var change replication.Change
	for n := 0; ; n++ {
		more, err := r.conn.Next(&change)
		if err != nil {
			return err
		}
		done := false
		if more {
			if done, err = r.take(ctx, &change); err != nil {
				return err
			}
			if n%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		} else {
			select {
			case <-r.conn.Ready():
			case <-tick.C:
				done = r.tick(ctx)
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if done {
			r.lanes.covered(ctx, r.at, true)
			return ctx.Err()
		}
		if r.allFailed() {
			return nil
		}
	}
}

// take is one change; true says that the run is over.
func (r *logReader) take(ctx context.Context, c *replication.Change) (done bool, err error) {
	switch c.Kind {
	case replication.KeepAlive:
		if r.awaited && c.LSN > r.begun {
			return false, r.differs()
		}
		return r.alive(ctx, c.LSN), nil
	case replication.Begin:
		if r.awaited && c.LSN != r.begun {
			return false, r.differs()
		}
		r.awaited, r.begun, r.taken = false, c.LSN, r.repeat
		r.within, r.micros = true, c.Time
		for _, s := range r.streams {
			s.skip = c.LSN < s.from
		}
	case replication.Commit:
		if r.repeat > 0 {
			return false, r.differs()
		}
		r.within, r.at, r.silent, r.taken = false, max(r.at, c.LSN), 0, 0
		r.lastData = time.Now()
		return r.boundary(ctx), nil
	case replication.Truncate:
		if r.again() {
			break
		}
		for _, relation := range c.Truncated {
			if s := r.owner(relation); s != nil && !s.skip && s.failed == nil {
				version := max(time.Now().UnixMilli(), s.plan.version+1)
				if err := r.lanes.truncate(ctx, s, version); err != nil {
					r.lanes.fail(s, err)
				}
			}
		}
	case replication.Insert, replication.Update, replication.Delete:
		if r.again() {
			break
		}
		if s := r.owner(c.Relation); s != nil && !s.skip && s.failed == nil {
			if err := r.row(ctx, s, c); err != nil {
				r.lanes.fail(s, err)
			}
		}
	}
	return false, nil
}

// again says that a change was handed on before the connection broke.
func (r *logReader) again() bool {
	if r.repeat > 0 {
		r.repeat--
		return true
	}
	r.taken++
	return false
}

// differs says that a new connection does not bring the transaction that the
// one before it was in.
func (r *logReader) differs() error {
	return fault.New(fault.Failed, "the connection that reads the log broke within the transaction at %s, and another one does not bring the same", r.begun).WithKind(fault.KindServer).
		WithHint("is it the same server? The next run reads from the bookmark on")
}

// owner is the stream of a relation, nil for none.
func (r *logReader) owner(relation *replication.Relation) *logStream {
	s, known := r.owners[relation]
	if known {
		return s
	}
	for _, one := range r.streams { // a table that was renamed keeps its OID, one made anew its name
		if of := one.plan.rel; of.oid == relation.OID || s == nil && of.schema == relation.Schema && of.name == relation.Name {
			s = one
		}
	}
	r.owners[relation] = s
	return s
}

// row gives a change to its stream. An update that changes the key is the
// deletion of one row and the insertion of another.
func (r *logReader) row(ctx context.Context, s *logStream, c *replication.Change) error {
	m := s.maps[c.Relation]
	if m == nil {
		var err error
		if m, err = r.mapRelation(ctx, s.plan, c.Relation); err != nil {
			return err
		}
		s.maps[c.Relation] = m
	}
	if c.Kind == replication.Delete {
		return r.add(ctx, s, m, c.Old, nil, c.LSN, true)
	}
	if c.Kind == replication.Update && m.rekeyed(c.New, c.Old) {
		if err := r.add(ctx, s, m, c.Old, nil, c.LSN, true); err != nil {
			return err
		}
		if m.lacks(c.New, c.Old) {
			if err := r.fill(ctx, m, c.New, c.Old); err != nil {
				return err
			}
		}
	}
	return r.add(ctx, s, m, c.New, c.Old, c.LSN, false)
}

func (r *logReader) add(ctx context.Context, s *logStream, m *mapping, values, old []replication.Value, at replication.LSN, deleted bool) error {
	b, err := r.lanes.batchFor(ctx, s, m.plan)
	if err != nil {
		return err
	}
	if err := m.add(b, values, old, at, r.micros, deleted); err != nil {
		return err
	}
	return r.lanes.added(ctx, s)
}

// boundary is called at the end of a transaction.
func (r *logReader) boundary(ctx context.Context) (done bool) {
	now := r.lastData
	if r.over(now) {
		return true
	}
	r.cover(ctx, now)
	return false
}

// over says that the run has read enough.
func (r *logReader) over(now time.Time) bool {
	limit := r.set.maxRun()
	return r.end > 0 && r.at >= r.end || limit > 0 && now.Sub(r.began) >= limit
}

// cover hands on and says positions when it is time to; never within a
// transaction.
func (r *logReader) cover(ctx context.Context, now time.Time) {
	every := coverEvery
	if r.lanes.shared() {
		every = sharedEvery
	}
	if now.Sub(r.lastCover) < every {
		return
	}
	idle := now.Sub(r.lastIdle) >= idleEvery
	r.lanes.covered(ctx, r.at, idle)
	r.lastCover = now
	if idle {
		r.lastIdle = now
	}
}

// alive is the server's word that everything up to lsn was sent.
func (r *logReader) alive(ctx context.Context, lsn replication.LSN) (done bool) {
	if r.within {
		r.asked = time.Time{}
		return false
	}
	r.at = max(r.at, lsn)
	now := time.Now()
	if !r.asked.IsZero() {
		if lsn == r.told && now.Sub(r.asked) < prompt {
			r.silent++
		} else {
			r.silent = 0
		}
		r.told, r.asked = lsn, time.Time{}
	}
	if r.over(now) || r.end > 0 && r.silent >= silences {
		return true
	}
	r.cover(ctx, now)
	return false
}

// A server may never come to where the log ended, when that is in the middle
// of a record which it writes out later. It has come as far as it can once it
// answers several times, promptly, that nothing is new: one that is busy with
// a long transaction answers, if at all, much later.
const (
	silences = 3
	prompt   = time.Second
)

// tick is called while the log brings nothing.
func (r *logReader) tick(ctx context.Context) (done bool) {
	now := time.Now()
	if r.awaited && r.asked.IsZero() {
		r.asked = now
		r.conn.Ask()
	}
	if r.within {
		return false
	}
	if idle := r.set.idle(); r.over(now) || idle > 0 && now.Sub(r.lastData) >= idle {
		return true
	}
	r.cover(ctx, now)
	if r.end > 0 && r.asked.IsZero() {
		r.asked = now
		r.conn.Ask()
	}
	return false
}

func (r *logReader) allFailed() bool {
	for _, s := range r.streams {
		if s.failed == nil {
			return false
		}
	}
	return true
}

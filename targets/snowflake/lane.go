package snowflake

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"elt/internal/sqltarget"
	"elt/targets"
)

// lane gathers rows of some streams in files, uploads them while more come,
// and loads them by one burst of statements per Commit.
type lane struct {
	sink *sink
	*session
	loaders  []*loader
	uploader *uploader
	open     []*part // those with a writer, the one used longest ago first
	loads    int     // load tables made in this session
	at       string  // the stage, "" when there is none in this session
	rejected []targets.Reject
	broken   error // after an error nothing goes on
}

// openMost is how many files a lane compresses at the same time.
const openMost = 4

func newLane(s *sink, c *session) *lane { return &lane{sink: s, session: c} }

// fail remembers the first error: rows of batches that were consumed with it
// are lost.
func (l *lane) fail(err error) error {
	if l.broken == nil {
		l.broken = err
	}
	return l.broken
}

// room gives a part a writer, and its rows so far to that.
func (l *lane) room(p *part) (err error) {
	if len(l.open) == openMost {
		if err := l.finish(l.open[0]); err != nil {
			return err
		}
	}
	if l.uploader == nil {
		l.uploader = newUploader(func(files []file) error { return l.put(context.Background(), files) })
	}
	next := func() int { return int(l.sink.files.Add(1)) }
	if p.writer, err = newWriter(l.sink.folder.path, l.sink.set.Compression, l.sink.set.FileSizeMB<<20, next, l.uploader.add); err != nil {
		return err
	}
	l.open = append(l.open, p)
	rows := p.buffer
	if p.buffer, err = p.writer.buffer(); err != nil {
		return err
	}
	p.buffer = append(p.buffer, rows...)
	return nil
}

// finish completes the files of a part.
func (l *lane) finish(p *part) error {
	w := p.writer
	if w == nil {
		return nil
	}
	l.open = slices.DeleteFunc(l.open, func(o *part) bool { return o == p })
	p.writer = nil
	var err error
	if len(p.buffer) > 0 {
		err = w.hand(p.buffer)
	}
	p.buffer = nil
	if closed := w.close(); err == nil {
		err = closed
	}
	p.files = append(p.files, w.names...)
	return err
}

var plain = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`) })

// stage makes the session's stage. It is temporary: it ends with the session,
// and what is on it too, so a killed run leaves nothing behind.
func (l *lane) stage(ctx context.Context) error {
	if l.at != "" {
		return nil
	}
	s, home := l.sink, l.sink.set.home()
	if err := s.ensureSchema(ctx, l.session, home, nil); err != nil {
		return err
	}
	name := "ELT_STAGE_" + upperNonce()
	ref := sqltarget.Qualify(home, name)
	if _, err := l.exec(ctx, "CREATE TEMPORARY STAGE "+ref); err != nil {
		return err
	}
	l.at = "@" + ref
	if plain().MatchString(home) {
		l.at = "@" + home + "." + name
	}
	return nil
}

// Commit loads what was gathered, and writes the positions in the same
// transaction (invariants 1 and 3). Without rows it writes nothing: positions
// alone are no reason to resume a warehouse. They stand in the store, and
// here with the next rows.
func (l *lane) Commit(ctx context.Context, c targets.Commit) error {
	if l.broken != nil {
		return l.broken
	}
	if err := l.load(ctx, c); err != nil {
		return l.fail(err)
	}
	return nil
}

func (l *lane) load(ctx context.Context, c targets.Commit) error {
	for _, ld := range l.loaders {
		if err := ld.closePart(); err != nil {
			return err
		}
	}
	if l.uploader != nil {
		if err := l.uploader.wait(); err != nil {
			return err
		}
	}
	var changes []statement
	for _, ld := range l.loaders {
		more, err := ld.prepare(ctx)
		if err != nil {
			return fmt.Errorf("stream %q: %w", ld.schema.Stream, err)
		}
		changes = append(changes, more...)
	}
	more, err := l.keepRejects(ctx)
	if err != nil {
		return err
	}
	if err := l.finally(ctx, append(changes, more...), c); err != nil {
		return err
	}
	l.rejected = nil
	l.loaders = slices.DeleteFunc(l.loaders, func(ld *loader) bool { return ld.ended })
	for _, ld := range l.loaders {
		ld.parts, ld.version = nil, 0
		if err := ld.shape(ld.schema); err != nil {
			return err
		}
	}
	return nil
}

// finally commits changes and positions. What overwrites is swapped in
// between: after the fence was checked, before its position is written.
func (l *lane) finally(ctx context.Context, changes []statement, c targets.Commit) error {
	publish := slices.ContainsFunc(l.loaders, func(ld *loader) bool { return ld.ended && ld.overwrites() })
	if !publish {
		return l.transact(ctx, changes, c)
	}
	if len(changes) > 0 {
		if err := l.transact(ctx, changes, targets.Commit{}); err != nil {
			return err
		}
	}
	for _, ld := range l.loaders {
		if ld.ended {
			if err := ld.publish(ctx); err != nil {
				return fmt.Errorf("stream %q: publish %s: %w", ld.schema.Stream, ld.final.Ref(), err)
			}
		}
	}
	if len(changes) > 0 {
		return l.settle(ctx, c)
	}
	return l.transact(ctx, nil, c)
}

// Reject keeps a record that could not be loaded.
func (l *lane) Reject(_ context.Context, r targets.Reject) error {
	r.Record = append([]byte(nil), r.Record...)
	l.rejected = append(l.rejected, r)
	return l.broken
}

// rejectsAtOnce is how many rejected records one INSERT takes.
const rejectsAtOnce = 100

func (l *lane) keepRejects(ctx context.Context) (out []statement, err error) {
	if len(l.rejected) == 0 {
		return nil, nil
	}
	s := l.sink
	create := "CREATE TABLE IF NOT EXISTS " + s.rejects() + ` ("STATE_ID" VARCHAR NOT NULL, "STREAM" VARCHAR NOT NULL, "REASON" VARCHAR NOT NULL, "RECORD" VARCHAR NOT NULL, "REJECTED_AT" TIMESTAMP_NTZ)`
	if err := s.ensureTable(ctx, l.session, rejectsTable, create); err != nil {
		return nil, err
	}
	now := stamp(micros())
	for some := range slices.Chunk(l.rejected, rejectsAtOnce) {
		insert := statement{sql: "INSERT INTO " + s.rejects() + ` ("STATE_ID", "STREAM", "REASON", "RECORD", "REJECTED_AT") VALUES `}
		for i, r := range some {
			if i > 0 {
				insert.sql += ", "
			}
			insert.sql += "(?, ?, ?, ?, ?)"
			insert.args = append(insert.args, s.stateID, r.Stream, r.Reason, string(r.Record), now)
		}
		out = append(out, insert)
	}
	return out, nil
}

func (l *lane) Close() error {
	var err error
	for _, p := range slices.Clone(l.open) {
		_ = l.finish(p) // nobody will load it
	}
	if l.uploader != nil {
		l.uploader.close(errClosed)
		l.uploader = nil
	}
	if l.broken == nil && l.at == "" && l.loads == 0 {
		l.sink.give(l.session) // as good as new
	} else {
		err = l.session.close()
	}
	if l.broken == nil {
		l.broken = errClosed
		return err
	}
	return nil
}

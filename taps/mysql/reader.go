package mysql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/mysql/wire"
)

const (
	// positionEvery is after how many rows a stream says how far it is, an
	// INCREMENTAL one at the next row with another replication key.
	positionEvery = 10_000
	batchBytes    = 256 << 10
	snapshot      = "start transaction with consistent snapshot, read only"
)

// reader reads one stream over a connection of its own.
type reader struct {
	ctx    context.Context
	plan   *plan
	stream taps.Stream
	pool   *row.Pool
	out    taps.Output

	fields        []field
	schema        *row.Schema
	batch         *row.Batch
	rows, covered int64
	last          [][]byte // the values of marks in the last row, as text
	keyed         bool
	reading       bool // the table is read whole
}

const epoch = 946684800 // Unix seconds of 2000-01-01, from which rows count

func (r *reader) read(s *session) error {
	defer func() {
		if r.batch != nil {
			r.batch.Release()
		}
	}()
	if err := r.freeze(s); err != nil {
		return explain(err, r.plan)
	}
	conn, err := wire.Over(s.conn)
	if err != nil {
		return err
	}
	rows, err := conn.Query(r.ctx, r.plan.sql(), r.plan.args)
	if err != nil {
		return explain(err, r.plan)
	}
	r.reading = r.plan.method != singer.Incremental
	cells := make([]wire.Cell, rows.Len())
	r.last = make([][]byte, len(r.plan.marks))
	for {
		more, err := rows.Next(cells)
		if err != nil {
			return explain(err, r.plan)
		}
		if !more {
			break
		}
		if err := r.row(cells, row.Insert, 0); err != nil {
			return err
		}
	}
	r.reading = false
	if err := r.flush(); err != nil {
		return err
	}
	if r.plan.method == singer.Incremental && r.keyed {
		return r.say(false)
	}
	return r.stream.Position(r.plan.position(nil, r.rows, false))
}

// freeze begins the snapshot; of a LOG_BASED stream its place in the binlog
// is where changes are read from afterwards.
func (r *reader) freeze(s *session) error {
	p := r.plan
	if p.method != singer.LogBased || p.resumed {
		return s.exec(r.ctx, snapshot)
	}
	at, exact, err := s.freeze(r.ctx, p.source.maria)
	if p.at = at; err == nil && !exact && len(p.keys) == 0 {
		zerolog.Ctx(r.ctx).Warn().Msgf("stream %s has no key, and the server does not say which place of the binlog belongs to a snapshot: rows that change while it is read may come twice", p.id)
	}
	return err
}

// row hands on a row of values, which op happened to at a Unix time.
func (r *reader) row(values []wire.Cell, op row.Op, at int64) error {
	for i := range r.fields {
		if f := &r.fields[i]; values[i].Zero() {
			if r.plan.strict {
				return fault.New(fault.BadInput, "column %q holds the date 0000-00-00", f.Name).WithHint("zero_dates: null reads it as NULL")
			}
			if !f.zero {
				zerolog.Ctx(r.ctx).Warn().Msgf("stream %s: column %s holds the date 0000-00-00, which is read as NULL", r.plan.id, f.Name)
			}
			f.zero, values[i].Kind = true, wire.Null
		}
	}
	if r.plan.method == singer.Incremental {
		if err := r.due(values); err != nil {
			return err
		}
	}
again:
	if r.batch == nil {
		r.batch = r.pool.Get(r.schema)
		r.batch.Version = r.plan.version
	}
	r.batch.Begin()
	for i := range r.fields {
		f := &r.fields[i]
		if values[i].Kind == wire.Absent && op == row.Update {
			r.batch.SkipField()
		} else if values[i].Kind == wire.Null || values[i].Kind == wire.Absent {
			r.batch.Null()
		} else if !f.append(r.batch, &values[i]) {
			r.batch.Drop()
			zerolog.Ctx(r.ctx).Warn().Msgf("stream %s: column %s has a value that is no %s, from here on it is text", r.plan.id, f.Name, f.Kind)
			if err := r.flush(); err != nil {
				return err
			}
			r.schema = r.plan.announced(r.fields)
			if err := r.stream.Schema(r.schema); err != nil {
				return err
			}
			goto again
		}
	}
	if r.plan.marker && op == row.Delete {
		r.batch.Int8((at - epoch) * 1_000_000)
	} else if r.plan.marker {
		r.batch.Null()
	}
	r.batch.EndAs(op)
	r.rows++
	if len(r.batch.Data) < batchBytes {
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	if r.reading && len(r.plan.marks) > 0 && r.rows-r.covered >= positionEvery {
		r.remember(values)
		return r.say(true)
	}
	return nil
}

// due says where the stream stands before a row that begins another
// replication key, when it is time.
func (r *reader) due(values []wire.Cell) error {
	at := r.plan.marksAt[0]
	if values[at].Kind == wire.Null {
		return nil
	}
	differs := !r.keyed || !bytes.Equal(r.last[0], r.fields[at].raw(&values[at]))
	r.remember(values)
	if !differs || !r.keyed || r.rows-r.covered < positionEvery {
		r.keyed = true
		return nil
	}
	if err := r.flush(); err != nil {
		return err
	}
	return r.say(!r.plan.marks[0].text) // a collation finds "a" and "A" equal
}

func (r *reader) remember(values []wire.Cell) {
	for i, at := range r.plan.marksAt {
		r.last[i] = append(r.last[i][:0], r.fields[at].raw(&values[at])...)
	}
}

func (r *reader) say(exact bool) error {
	marks := make([]json.RawMessage, len(r.last))
	for i, m := range r.plan.marks {
		switch m.Kind {
		case row.Int64, row.Numeric:
			marks[i] = append(json.RawMessage{}, r.last[i]...)
		case row.Bool:
			marks[i] = json.RawMessage("true")
			if string(r.last[i]) == "0" {
				marks[i] = json.RawMessage("false")
			}
		case row.Timestamp, row.TimestampTZ:
			at, _ := row.ParseTimestamp(r.last[i]) // it was read as one
			if m.Kind == row.TimestampTZ {
				at.Offset = 0
			}
			marks[i] = row.AppendJSONString(nil, row.AppendInstantText(nil, at))
		default:
			marks[i] = row.AppendJSONString(nil, r.last[i])
		}
	}
	r.covered = r.rows
	return r.stream.Position(r.plan.position(marks, r.rows, exact))
}

func (r *reader) flush() error {
	b := r.batch
	switch r.batch = nil; {
	case b == nil:
		return nil
	case b.Len() == 0:
		b.Release()
		return nil
	}
	return r.stream.Write(b)
}

// emptied makes the rows so far dead: what follows has a version of its own.
// The stream ends with that and begins again, so that no bookmark is beyond
// the emptying before the destination has done it (invariant 1).
func (r *reader) emptied(version int64) error {
	if err := r.flush(); err != nil {
		return err
	}
	r.plan.version = version
	if err := r.stream.Activate(version); err != nil {
		return err
	}
	if err := r.stream.End(); err != nil {
		return err
	}
	r.stream.Close()
	next, err := r.out.Stream(r.ctx, r.schema)
	if err == nil {
		r.stream = next
	}
	return err
}

// explain gives the server's refusals a hint.
func explain(err error, p *plan) error {
	var refused *mysql.MySQLError
	if !errors.As(err, &refused) {
		var network *net.OpError
		if errors.As(err, &network) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) {
			return fault.Wrap(fault.Failed, err, "the connection broke while %s was read", p.rel.table()).WithKind(fault.KindConnect).
				WithHint("the server was stopped, or killed the query: look at its log, at wait_timeout and net_write_timeout")
		}
		return err
	}
	e := fault.Wrap(fault.Failed, err, "MySQL refuses to read %s", p.rel.table())
	switch refused.Number {
	case 1142, 1143, 1044, 1356: // the last of a view over what may not be read
		return e.WithKind(fault.KindPermission).WithHint("grant select on %s to the user that the tap logs in as, or deselect the stream", p.rel.table())
	case 1146, 1054:
		return e.WithKind(fault.KindPath).WithHint("the table has changed: run discovery again, or deselect the stream")
	case 1053, 1317, 1927, 3024, 1969:
		return e.WithKind(fault.KindServer).WithHint("the server ended the query; the next run goes on where this one stood")
	case 1292, 1525:
		return e.WithHint("the bookmark or start_date may not fit the replication key; see elt state get")
	}
	return fmt.Errorf("%w (error %d)", e, refused.Number)
}

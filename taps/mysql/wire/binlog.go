package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"strings"
	"time"
)

// Place is a place in the binlog: behind an event of a file, or behind the
// transactions of a GTID set, which means the same on every server.
type Place struct {
	File string
	Pos  uint64
	GTID GTIDs
}

// Reached says whether p is not before end, on the same server. Its files are
// numbered; one of another name is from elsewhere.
func (p Place) Reached(end Place) bool {
	if p.File == end.File {
		return p.Pos >= end.Pos
	}
	a, b := strings.LastIndexByte(p.File, '.'), strings.LastIndexByte(end.File, '.')
	if a < 0 || b < 0 || p.File[:a] != end.File[:b] {
		return false
	}
	n, m := p.File[a:], end.File[b:]
	return len(n) > len(m) || len(n) == len(m) && n > m
}

// EventKind is what happened.
type EventKind uint8

const (
	Quiet     EventKind = iota // nothing that was asked for
	Changes                    // rows of a wanted table: call Log.Change until it says Done
	Commit                     // the end of a transaction: Log.At may be kept as a bookmark
	Statement                  // SQL and Database: a change of shape, or of rows in a format that has no rows; Alone: also a Commit
)

// Event is one entry of the binlog.
type Event struct {
	Kind     EventKind
	Time     int64 // Unix seconds, of the statement's start
	Database string
	SQL      string
	Alone    bool
	Table    *Table
}

// Log reads the binlog as a replica does.
type Log struct {
	// At is behind the event read last.
	At Place
	// Want says which tables' changes are asked for.
	Want func(database, table string) bool
	// Checksum: events end in one. The server says so in its files' first
	// event; before that it has to be known.
	Checksum bool

	conn    *Conn
	ctx     context.Context
	stop    func() bool
	tables  map[uint64]*Table // nil: not wanted
	gtid    string            // of the transaction that is read
	open    bool              // a transaction has begun
	payload []byte            // events of a compressed transaction that are still to come
	rows    changes
	inflate inflater
}

// Types of events.
const (
	evQuery         = 2
	evStop          = 3
	evRotate        = 4
	evFormat        = 15
	evXID           = 16
	evTableMap      = 19
	evWrite1        = 23
	evDelete1       = 25
	evIncident      = 26
	evHeartbeat     = 27
	evWrite2        = 30
	evDelete2       = 32
	evGTID          = 33
	evXAPrepare     = 38
	evPartialUpdate = 39
	evPayload       = 40
	evGTIDTagged    = 42
	evMariaGTID     = 162
	evQueryZ        = 165
	evWrite1Z       = 166
	evDelete1Z      = 168
	evWrite2Z       = 169
	evDelete2Z      = 171

	eventHead = 19
)

// Dump asks for the binlog from a place on: by GTID if byGTID, which MariaDB
// has been told before (@slave_connect_state). server is our id as a replica.
// ctx bounds the reading, too. The connection can do nothing else from now on.
func (c *Conn) Dump(ctx context.Context, from Place, byGTID bool, server uint32) (*Log, error) {
	l := &Log{At: from, conn: c, ctx: ctx, tables: map[uint64]*Table{}}
	l.At.GTID = from.GTID.Clone()
	if byGTID { // where that is on this server, it says first
		l.At.File, l.At.Pos = "", 4
	}
	body := make([]byte, 0, 64)
	code := byte(comBinlogDump)
	switch {
	case byGTID && !from.GTID.MariaDB():
		code = comDumpGTID
		set := from.GTID.encode()
		body = binary.LittleEndian.AppendUint16(body, 4) // through GTID
		body = binary.LittleEndian.AppendUint32(body, server)
		body = binary.LittleEndian.AppendUint32(body, 0) // no file
		body = binary.LittleEndian.AppendUint64(body, 4)
		body = binary.LittleEndian.AppendUint32(body, uint32(len(set)))
		body = append(body, set...)
	default:
		pos, file := l.At.Pos, l.At.File
		if pos > 1<<32-1 {
			return nil, fmt.Errorf("position %d of %s is beyond 4 GB, where the server's protocol ends", pos, file)
		}
		body = binary.LittleEndian.AppendUint32(body, uint32(pos))
		body = binary.LittleEndian.AppendUint16(body, 0)
		body = binary.LittleEndian.AppendUint32(body, server)
		body = append(body, file...)
	}
	c.in.Reset(&vigilant{c.net, ctx})
	l.stop = c.watch(ctx)
	if err := c.command(code, body); err != nil {
		l.stop()
		return nil, err
	}
	return l, nil
}

// ErrEnded says that the server has stopped sending the binlog, as one does
// that is being shut down.
var ErrEnded = errors.New("the server has ended the binlog")

// silence is for how long a server may say nothing: it was asked for a sign of
// life each second.
const silence = 2 * time.Minute

// vigilant is a connection whose reads fail once the network has swallowed
// the server, or ctx has ended.
type vigilant struct {
	net.Conn
	ctx context.Context
}

func (v *vigilant) Read(p []byte) (int, error) {
	v.SetReadDeadline(time.Now().Add(silence))
	if v.ctx.Err() != nil { // the deadline that this has set is gone
		return 0, context.Cause(v.ctx)
	}
	return v.Conn.Read(p)
}

// Close ends the reading; the connection must be closed, too.
func (l *Log) Close() { l.stop() }

// Next reads one event. What it refers to is valid until the next call.
func (l *Log) Next() (Event, error) {
	e, err := l.next()
	if err != nil && l.ctx.Err() != nil {
		err = context.Cause(l.ctx)
	}
	return e, err
}

func (l *Log) next() (Event, error) {
	if len(l.payload) > 0 {
		size := binary.LittleEndian.Uint32(l.payload[9:])
		p := l.payload[:size]
		l.payload = l.payload[size:]
		return l.event(p, false)
	}
	p, err := l.conn.packet()
	switch {
	case err != nil:
		return Event{}, err
	case len(p) == 0:
		return Event{}, errShort
	case p[0] == headErr:
		return Event{}, refusal(p)
	case p[0] == headEOF && len(p) < 9:
		return Event{}, ErrEnded
	case len(p) < 1+eventHead:
		return Event{}, errShort
	}
	p = p[1:]
	kind := p[4]
	switch {
	case kind == evFormat:
		if len(p) < eventHead+57+5 {
			return Event{}, errors.New("the server's binlog is older than MySQL 5.6")
		}
		l.Checksum = p[len(p)-5] == 1
		p = p[:len(p)-4]
	case l.Checksum:
		end := len(p) - 4
		if end < eventHead || kind != evHeartbeat && kind != evRotate && crc32.ChecksumIEEE(p[:end]) != binary.LittleEndian.Uint32(p[end:]) {
			return Event{}, fmt.Errorf("the checksum of an event of the binlog at %s:%d is wrong", l.At.File, l.At.Pos)
		}
		p = p[:end]
	}
	return l.event(p, true)
}

// event interprets one; place says that its head has a place in the file.
func (l *Log) event(p []byte, place bool) (e Event, err error) {
	e.Time = int64(binary.LittleEndian.Uint32(p))
	kind, body := p[4], p[eventHead:]
	if pos := binary.LittleEndian.Uint32(p[13:]); place && pos > 0 && kind != evRotate && kind != evFormat && kind != evHeartbeat {
		l.At.Pos = uint64(pos)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("binlog event of type %d before %s:%d: %w", kind, l.At.File, l.At.Pos, err)
		}
	}()
	switch kind {
	case evRotate:
		if len(body) < 8 {
			return e, errShort
		}
		l.At.File, l.At.Pos = string(body[8:]), binary.LittleEndian.Uint64(body)
		clear(l.tables)
	case evHeartbeat: // all that there is was sent
		if !l.open {
			l.At.File, l.At.Pos = string(body), uint64(binary.LittleEndian.Uint32(p[13:]))
		}
	case evIncident:
		return e, errors.New("the server notes that changes were lost")
	case evTableMap:
		return e, l.mapped(body)
	case evXID, evXAPrepare:
		return l.committed(e)
	case evQuery, evQueryZ:
		return l.query(e, body, kind == evQueryZ)
	case evGTID:
		if len(body) < 25 {
			return e, errShort
		}
		l.gtid = mysqlGTID(body[1:17], binary.LittleEndian.Uint64(body[17:]))
	case evGTIDTagged:
		if !l.At.GTID.Empty() {
			return e, errors.New("tagged GTIDs are not supported; use_gtid: false goes by file and position")
		}
	case evMariaGTID:
		if len(body) < 13 {
			return e, errShort
		}
		l.open = body[12]&1 == 0 // not one statement alone
		l.gtid = fmt.Sprintf("%d-%d-%d", binary.LittleEndian.Uint32(body[8:]), binary.LittleEndian.Uint32(p[5:]), binary.LittleEndian.Uint64(body))
	case evPayload:
		l.payload, err = l.inflate.payload(body)
		return e, err
	case evPartialUpdate:
		return e, errors.New("an update has parts of a JSON value only (binlog_row_value_options = PARTIAL_JSON)")
	default:
		if op, version, packed := rowsEvent(kind); op != 0 {
			return l.changed(e, body, op, version, packed)
		}
	}
	return e, nil
}

func (l *Log) committed(e Event) (Event, error) {
	e.Kind, l.open = Commit, false
	if l.gtid != "" {
		if err := l.At.GTID.Add(l.gtid); err != nil {
			return e, err
		}
		l.gtid = ""
	}
	return e, nil
}

// query reads a statement. Outside of transactions each is its own commit.
func (l *Log) query(e Event, body []byte, packed bool) (Event, error) {
	if len(body) < 13 {
		return e, errShort
	}
	db, status := int(body[8]), int(binary.LittleEndian.Uint16(body[11:]))
	if len(body) < 13+status+db+1 {
		return e, errShort
	}
	e.Database = string(body[13+status : 13+status+db])
	text := body[13+status+db+1:]
	if packed {
		var err error
		if text, err = l.inflate.maria(text); err != nil {
			return e, err
		}
	}
	e.SQL = strings.TrimSpace(string(text))
	switch word := strings.ToUpper(firstWord(e.SQL)); word {
	case "BEGIN":
		l.open = true
		return e, nil
	case "SAVEPOINT", "XA":
		return e, nil
	case "COMMIT":
		return l.committed(e)
	case "ROLLBACK":
		if strings.Contains(strings.ToUpper(e.SQL), " TO ") {
			return e, nil
		}
		return l.committed(e)
	}
	if l.open {
		e.Kind = Statement
		return e, nil
	}
	e, err := l.committed(e)
	e.Kind, e.Alone = Statement, true
	return e, err
}

func firstWord(sql string) string {
	for i, r := range sql {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return sql[:i]
		}
	}
	return sql
}

// rowsEvent says what an event of rows does: 'i', 'u', 'd', or 0 for none.
func rowsEvent(kind byte) (op byte, version int, packed bool) {
	for _, r := range []struct {
		first   byte
		version int
		packed  bool
	}{{evWrite1, 1, false}, {evWrite2, 2, false}, {evWrite1Z, 1, true}, {evWrite2Z, 2, true}} {
		if kind >= r.first && kind <= r.first+2 {
			return "iud"[kind-r.first], r.version, r.packed
		}
	}
	return 0, 0, false
}

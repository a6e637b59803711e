package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps/mysql/wire"
)

// follow reads the table's changes from where the plan stands to where the
// binlog ended when the run began. The session s answers questions meanwhile.
func (r *reader) follow(ctx context.Context, set settings, s *session) error {
	p := r.plan
	byGTID := set.GTID && !p.at.GTID.Empty()
	if end := p.source.end; !byGTID && p.resumed && !p.snapshot && p.at.Reached(end) && (p.at.File != end.File || p.at.Pos != end.Pos) {
		return fault.New(fault.Failed, "the bookmark %s:%d lies behind the end of the server's binlog, %s:%d", p.at.File, p.at.Pos, end.File, end.Pos).WithKind(fault.KindServer).
			WithHint("the server was restored, or is another one: read the stream anew with --full-refresh, or use GTIDs (use_gtid: true)")
	}
	if !byGTID && p.at.Reached(p.source.end) || byGTID && p.at.GTID.String() == p.source.end.GTID.String() {
		return r.stream.Position(p.position(nil, r.rows, true))
	}
	f := &follower{reader: r, set: set, byGTID: byGTID, ask: s, said: time.Now()}
	f.until = f.said.Add(time.Duration(set.MaxRun) * time.Second)
	defer f.hangUp()
	return f.readOn(ctx)
}

// read reads until the run's end; the error is a broken one where the
// connection did not last.
func (f *follower) read(ctx context.Context) error {
	p := f.plan
	for !f.log.At.Reached(p.source.end) {
		e, err := f.log.Next()
		if err != nil {
			return &broken{err}
		}
		switch e.Kind {
		case wire.Changes:
			f.dirty = true
			err = f.changes(e)
		case wire.Statement:
			err = f.statement(e)
		}
		if err != nil {
			return err
		}
		if e.Kind != wire.Commit && !e.Alone {
			continue
		}
		if f.repeat > 0 {
			return fault.New(fault.Failed, "the connection that reads the binlog broke within a transaction behind %s:%d, and another one does not bring the same", p.at.File, p.at.Pos).WithKind(fault.KindServer).
				WithHint("is it the same server? The next run reads from the bookmark on")
		}
		f.dirty, f.taken, p.at = false, 0, f.log.At
		if f.rows-f.covered >= positionEvery || f.rows > f.covered && time.Since(f.said) > time.Second {
			if err := f.say(); err != nil {
				return err
			}
		}
		if f.set.MaxRun > 0 && time.Now().After(f.until) {
			zerolog.Ctx(ctx).Info().Msgf("stream %s: stopped at %s:%d, because replication_max_run_seconds is over", p.id, p.at.File, p.at.Pos)
			return f.say()
		}
	}
	if f.dirty { // the server's own end lies within a transaction
		return fault.New(fault.Failed, "the binlog of %s ended inside of a transaction at %s:%d", p.rel.table(), f.log.At.File, f.log.At.Pos)
	}
	p.at = f.log.At
	return f.say()
}

// dump makes d a replica of the server.
func (d *session) dump(ctx context.Context, p *plan, set settings, byGTID bool) (*wire.Log, error) {
	steps := []string{
		"set @master_binlog_checksum = @@global.binlog_checksum", "set @source_binlog_checksum = @@global.binlog_checksum",
		"set @master_heartbeat_period = 1000000000", "set @source_heartbeat_period = 1000000000", "set @slave_uuid = uuid(), @replica_uuid = uuid()",
	}
	if p.source.maria {
		steps = append(steps, "set @mariadb_slave_capability = 4")
		if byGTID {
			steps = append(steps, "set @slave_connect_state = '"+p.at.GTID.String()+"'", "set @slave_gtid_strict_mode = 0", "set @slave_gtid_ignore_duplicates = 0")
		}
	}
	for _, sql := range steps {
		if err := d.exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	sums, err := d.query(ctx, "select @@global.binlog_checksum")
	if err != nil {
		return nil, err
	}
	server := set.ServerID + uint32(p.number) // each dump is a replica of its own
	if set.ServerID == 0 {
		server = 1<<31 | rand.Uint32()
	}
	conn, err := wire.Over(d.conn)
	if err != nil {
		return nil, err
	}
	log, err := conn.Dump(ctx, p.at, byGTID, server)
	if err != nil {
		return nil, err
	}
	log.Checksum = sums[0][0] != "NONE"
	log.Want = func(database, table string) bool {
		return strings.EqualFold(table, p.rel.name) && strings.EqualFold(database, p.rel.schema)
	}
	return log, nil
}

// follower turns changes into rows.
type follower struct {
	*reader
	set    settings
	byGTID bool
	ask    *session
	taken  int // changes of the transaction that is being read which were handed on
	repeat int // so many come again, since a connection broke

	over  *session // that the log is read by, nil before the first
	log   *wire.Log
	dirty bool // changes were read that no commit has followed yet
	said  time.Time
	until time.Time

	table         *wire.Table // that the rest is about
	at            []int       // of each field, the column of table; -1: it had none then
	before, after []wire.Cell
	out, old      []wire.Cell
	charsets      map[string]*charset
}

func (f *follower) say() error {
	if err := f.flush(); err != nil {
		return err
	}
	f.covered, f.said = f.rows, time.Now()
	return f.stream.Position(f.plan.position(nil, f.rows, true))
}

// changes reads the rows of one event.
func (f *follower) changes(e wire.Event) error {
	if e.Table != f.table {
		if err := f.describe(e.Table); err != nil {
			return err
		}
	}
	for {
		op, err := f.log.Change(f.before, f.after)
		if err != nil || op == wire.Done {
			return err
		}
		if f.repeat > 0 {
			f.repeat--
			continue
		}
		if op != wire.Insert {
			if err = f.pick(f.old, f.before); f.askAnew(err) {
				err = f.pick(f.old, f.before)
			}
			if err != nil {
				return err
			}
		}
		if op != wire.Delete {
			if err = f.pick(f.out, f.after); f.askAnew(err) {
				err = f.pick(f.out, f.after)
			}
			if err != nil {
				return err
			}
		}
		if err := f.change(op, e.Time); err != nil {
			return err
		}
		f.taken++
	}
}

// change hands one on: an update of a key is a deletion and an insert, and
// what the log leaves out of a new row is asked for.
func (f *follower) change(op wire.Op, at int64) error {
	switch op {
	case wire.Delete:
		return f.row(f.old, row.Delete, at)
	case wire.Update:
		moved := false
		for i := range f.out {
			if f.out[i].Kind == wire.Absent {
				f.out[i], f.old[i] = f.old[i], f.out[i]
				continue
			}
			moved = moved || f.fields[i].isKey && f.old[i].Kind != wire.Absent && !f.out[i].Same(&f.old[i])
		}
		if !moved {
			return f.row(f.out, row.Update, at)
		}
		for i := range f.out { // an unchanged part of the key has moved over
			if f.fields[i].isKey && f.old[i].Kind == wire.Absent {
				f.old[i] = f.out[i]
			}
		}
		if err := f.row(f.old, row.Delete, at); err != nil {
			return err
		}
	}
	for i := range f.out {
		if f.out[i].Kind == wire.Absent && f.at[i] >= 0 {
			there, err := f.again()
			if f.askAnew(err) {
				there, err = f.again()
			}
			if err != nil || !there { // deleted since: the log will say so
				return err
			}
			break
		}
	}
	return f.row(f.out, row.Insert, at)
}

// again reads the row in out as it is now, for the columns that the log leaves
// out: a row that the log changes later will be read as that, too.
func (f *follower) again() (bool, error) {
	if len(f.plan.rel.key) == 0 {
		return false, fault.New(fault.BadConfig, "the binlog leaves columns of new rows of %s out, which has no primary key to ask for them", f.plan.rel.table()).
			WithHint("set binlog_row_image = FULL at the server")
	}
	var list, where, args []string
	for _, a := range f.plan.taken {
		list = append(list, a.selected())
	}
	for _, k := range f.plan.rel.key {
		where = append(where, quote(k)+" = ?")
		for i := range f.fields {
			if f.fields[i].Name == k {
				args = append(args, string(f.fields[i].raw(&f.out[i])))
			}
		}
	}
	if len(args) != len(where) {
		return false, fault.New(fault.BadConfig, "the binlog leaves columns of new rows of %s out, and its primary key is not selected", f.plan.rel.table()).
			WithHint("set binlog_row_image = FULL at the server, or select the key")
	}
	conn, err := wire.Over(f.ask.conn)
	if err != nil {
		return false, err
	}
	rows, err := conn.Query(f.ctx, "select "+strings.Join(list, ", ")+" from "+f.plan.rel.table()+" where "+strings.Join(where, " and "), args)
	if err != nil {
		return false, explain(err, f.plan)
	}
	cells := make([]wire.Cell, rows.Len())
	found := false
	for {
		more, err := rows.Next(cells)
		if err != nil || !more {
			return found, err
		}
		found = true
		for i := range f.out {
			if f.out[i].Kind == wire.Absent {
				f.out[i] = cells[i].Clone()
			}
		}
	}
}

// statement looks at what is no change of rows.
func (f *follower) statement(e wire.Event) error {
	words := strings.Fields(strings.ToUpper(e.SQL[:min(len(e.SQL), 4096)]))
	if len(words) == 0 || !f.mentioned(e) {
		return nil
	}
	switch words[0] {
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH":
		return fault.New(fault.BadConfig, "a change of %s is in the binlog as a statement, not as rows, at %s:%d", f.plan.rel.table(), f.log.At.File, f.log.At.Pos).
			WithHint("a session has set binlog_format: keep ROW everywhere; read the table anew with --full-refresh")
	case "TRUNCATE", "DROP":
		if words[0] == "DROP" && (len(words) < 2 || words[1] != "TABLE") {
			return nil
		}
		// Rows of before are dead, and what follows has a version of its own.
		version := max(time.Now().UnixMilli(), f.plan.version+1)
		zerolog.Ctx(f.ctx).Warn().Msgf("stream %s: the table was emptied by %s at the source", f.plan.id, strings.ToLower(words[0]))
		return f.emptied(version)
	case "ALTER", "RENAME", "CREATE":
		if f.rows > 0 && (f.table == nil || f.table.Names == nil) && words[0] != "CREATE" {
			zerolog.Ctx(f.ctx).Warn().Msgf("stream %s: the table was altered between changes, and those of before are read by the columns of today; with binlog_row_metadata = FULL the server tells them apart", f.plan.id)
		}
	}
	return nil
}

// mentioned says that a statement speaks of the plan's table.
func (f *follower) mentioned(e wire.Event) bool {
	sql := strings.ToLower(e.SQL)
	name, schema := strings.ToLower(f.plan.rel.name), strings.ToLower(f.plan.rel.schema)
	for from := 0; ; {
		at := strings.Index(sql[from:], name)
		if at < 0 {
			return false
		}
		at += from
		end := at + len(name)
		from = at + 1
		inWord := func(b byte) bool {
			return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 0x80
		}
		if end < len(sql) && inWord(sql[end]) || at > 0 && inWord(sql[at-1]) {
			continue
		}
		front := strings.TrimRight(sql[:at], "` ")
		if !strings.HasSuffix(front, ".") { // of the session's database
			return strings.EqualFold(e.Database, schema)
		}
		front = strings.TrimRight(strings.TrimSuffix(front, "."), "` ")
		if strings.HasSuffix(front, schema) {
			return true
		}
	}
}

// unreadable explains what the server says of its binlog.
func unreadable(err error, p *plan) error {
	var refused *mysql.MySQLError
	if !errors.As(err, &refused) {
		return explain(err, p)
	}
	where := fmt.Sprintf("%s:%d", p.at.File, p.at.Pos)
	text := strings.ToLower(refused.Message)
	switch refused.Number {
	case 1236, 1220, 1955:
		e := fault.Wrap(fault.Failed, err, "the binlog cannot be read from %s on", where).WithKind(fault.KindServer)
		switch {
		case strings.Contains(text, "could not find first log file") || strings.Contains(text, "purged") || strings.Contains(text, "has been deleted") || strings.Contains(text, "not in the master's binlog") || strings.Contains(text, "gtid_pos"):
			return e.WithHint("the server has purged that part: read the stream anew with --full-refresh, and keep the binlog for longer than the time between runs (binlog_expire_logs_seconds, expire_logs_days)")
		case strings.Contains(text, "same server"):
			return e.WithHint("another replica has the same server_id: set another one, or none")
		case strings.Contains(text, "position > file size") || strings.Contains(text, "impossible position"),
			strings.Contains(text, "exceeded max_allowed_packet") || strings.Contains(text, "bogus data"): // the position lies inside an event
			return e.WithHint("the server was restored, or is another one: read the stream anew with --full-refresh, or use GTIDs (use_gtid: true)")
		}
		return e
	case 1227, 1045:
		return fault.Wrap(fault.Failed, err, "the binlog may not be read").WithKind(fault.KindPermission).
			WithHint("grant REPLICATION SLAVE on *.* to the user that the tap logs in as")
	}
	return explain(err, p)
}

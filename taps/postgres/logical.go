package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"elt/internal/row"
	"elt/taps"
	"elt/taps/postgres/replication"
)

// logs is the LOG_BASED replication of one run. All streams share a slot.
//
// A stream without a bookmark is read whole, in a snapshot that the server
// exports when it makes a slot: the tap's own, or, where that is there, one
// that goes with its connection. The snapshot's place in the log becomes the
// bookmark with the last row; a reading that breaks off begins anew in another
// snapshot, or goes on there and keeps the first one's place (ranges.go). What
// follows in the log comes with the next run: a destination that is overwritten
// would otherwise be left with that only.
//
// A stream with a bookmark is read from the log. The server sends committed
// transactions one after the other from the oldest bookmark on, and a stream
// passes over those that it has. What every stream has been acknowledged, or
// was told to start with, the server may forget; nothing later (invariant 1).
type logs struct {
	set    settings
	out    taps.Output
	pool   *row.Pool
	ask    *pgx.Conn
	source source
	slot   slot
}

// syncLogged replicates the streams of plans, and returns the errors of those
// that failed.
func syncLogged(ctx context.Context, s settings, plans []*plan, out taps.Output, pool *row.Pool) []error {
	if taps.Probing(out) { // nothing is to be left at the server
		for _, p := range plans {
			p.inSnapshot(replication.Snapshot{})
		}
		return run(ctx, &worker{dial: s.primary.Dial, out: out, pool: pool}, plans, false)
	}
	l := &logs{set: s, out: out, pool: pool}
	ask, err := s.primary.Dial(ctx)
	if err != nil {
		return []error{err}
	}
	l.ask = ask
	defer func() { (&worker{conn: l.ask}).close() }() // the one of then
	first, follow, failed, err := l.prepare(ctx, plans)
	if err != nil {
		return append(failed, fmt.Errorf("LOG_BASED replication: %w", orCancelled(ctx, err)))
	}
	stop := s.OnError == "stop"
	if len(failed) > 0 && stop {
		return failed
	}
	if len(first) > 0 {
		failed = append(failed, l.readWhole(ctx, first, stop)...)
	}
	if len(follow) > 0 && (len(failed) == 0 || !stop) && ctx.Err() == nil {
		failed = append(failed, l.readLog(ctx, follow, first)...)
	}
	return failed
}

// prepare looks at the server, the slot and the publication, and says which
// streams are read whole and which from the log. Those that cannot be read
// fail by themselves; the error is of all.
func (l *logs) prepare(ctx context.Context, plans []*plan) (first, follow []*plan, failed []error, err error) {
	if l.source, err = askSource(ctx, l.ask); err != nil {
		return nil, nil, nil, err
	}
	if l.slot, err = findSlot(ctx, l.ask, l.set.slots(l.source.database)); err != nil {
		return nil, nil, nil, err
	}
	if err := l.slot.usable(l.source.database); err != nil {
		return nil, nil, nil, err
	}
	l.lag(ctx)
	if !l.set.Log.Bootstrap && l.slot.there {
		for _, p := range plans {
			if !p.resumed {
				p.log.at, p.resumed, p.activate = replication.LSN(l.slot.Confirmed), true, false
			}
		}
	}
	refused, err := identities(ctx, l.ask, plans)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, p := range plans {
		switch {
		case refused[p] != nil:
		case p.resumed:
			refused[p] = l.slot.keeps(p)
		case p.interrupted && l.slot.keeps(p) != nil:
			p.interrupted = false
			if p.activate {
				p.version = newVersion()
			}
		}
	}
	plans, failed = without(plans, refused)
	if len(plans) > 0 && l.slot.Plugin == "pgoutput" {
		if refused, err = l.publish(ctx, l.ask, plans); err != nil {
			return nil, nil, failed, err
		}
		var more []error
		plans, more = without(plans, refused)
		failed = append(failed, more...)
	}
	for _, p := range plans {
		if p.resumed {
			follow = append(follow, p)
		} else {
			first = append(first, p)
		}
	}
	return first, follow, failed, nil
}

func (l *logs) publication() string {
	if l.set.Log.Publication != "" {
		return l.set.Log.Publication
	}
	return l.slot.Name
}

func without(plans []*plan, refused map[*plan]error) (kept []*plan, failed []error) {
	for _, p := range plans {
		if err := refused[p]; err != nil {
			failed = append(failed, fmt.Errorf("stream %q: %w", p.id, err))
		} else {
			kept = append(kept, p)
		}
	}
	return kept, failed
}

// readWhole reads streams in one snapshot, whose place in the log is their
// bookmark.
func (l *logs) readWhole(ctx context.Context, plans []*plan, stop bool) []error {
	conn, err := l.set.primary.DialReplication(ctx)
	if err != nil {
		return []error{fmt.Errorf("LOG_BASED replication: %w", explainReplication(err, l.set, l.slot.Name))}
	}
	keeper := &worker{conn: conn}
	defer keeper.close() // the snapshot lives as long as its connection
	name := l.slot.Name
	if l.slot.there {
		name = fmt.Sprintf("elt_snapshot_%d", conn.PgConn().PID())
	} else {
		zerolog.Ctx(ctx).Info().Msgf("making the replication slot %q, which waits for transactions that are open now", name)
	}
	snap, err := replication.CreateSlot(ctx, conn, name, l.slot.Plugin, l.slot.there)
	if err != nil {
		return []error{fmt.Errorf("LOG_BASED replication: make the slot %q: %w", name, orCancelled(ctx, explainReplication(err, l.set, l.slot.Name)))}
	}
	for _, p := range plans {
		p.inSnapshot(snap)
	}
	return run(ctx, &worker{dial: l.set.primary.Dial, out: l.out, pool: l.pool}, plans, stop)
}

// readLog reads what follows the bookmarks of plans. Streams of first, which
// were read whole in this run, need the log from their snapshot on.
func (l *logs) readLog(ctx context.Context, plans, first []*plan) []error {
	var streams []*logStream
	kept := newKept()
	for _, p := range plans {
		streams = append(streams, &logStream{plan: p, from: p.log.at, told: p.log.at, maps: map[*replication.Relation]*mapping{}})
		kept.start(p)
	}
	for _, p := range first {
		kept.start(p)
	}
	var tables []*replication.Relation
	for _, p := range plans {
		tables = append(tables, p.asRelation())
	}
	var used []uint32
	for _, t := range tables {
		for _, c := range t.Columns {
			used = append(used, c.Type)
		}
	}
	if err := plans[0].db.loadLogTypes(ctx, l.ask, used); err != nil {
		return []error{err}
	}
	r := &logReader{logs: l, streams: streams, kept: kept, lanes: newLanes(l.out, l.pool, streams), decoder: func() replication.Decoder {
		if l.slot.Plugin == "wal2json" {
			return replication.NewWAL2JSON(tables)
		}
		return replication.NewPGOutput(l.publication())
	}}
	err := r.begin(ctx)
	if err != nil {
		r.hangUp(false)
		return []error{fmt.Errorf("LOG_BASED replication: read the slot %q: %w", l.slot.Name, err)}
	}
	stop := kept.follow(l.out.Acked())
	err = r.readOn(ctx)
	if err == nil {
		r.lanes.finish()
	}
	for _, s := range streams {
		r.lanes.drop(s)
	}
	stop()
	r.hangUp(err == nil)
	var failed []error
	for _, s := range streams {
		if s.failed != nil {
			failed = append(failed, s.failed)
		}
	}
	if err != nil {
		failed = append(failed, fmt.Errorf("LOG_BASED replication: %w", orCancelled(ctx, err)))
	}
	return failed
}

// asRelation is the table as the log would describe it now.
func (p *plan) asRelation() *replication.Relation {
	r := &replication.Relation{Schema: p.rel.schema, Name: p.rel.name}
	for _, c := range p.rel.columns {
		r.Columns = append(r.Columns, replication.Column{Name: c.name, Type: c.typ, Mod: c.mod})
	}
	return r
}

// behind is how many bytes of its log the server keeps for the slot; false
// when that is not known.
func (l *logs) behind(ctx context.Context) (uint64, bool) {
	if !l.slot.there || l.slot.Restart == 0 {
		return 0, false
	}
	function := "pg_catalog.pg_current_wal_lsn()"
	if l.source.standby {
		function = "pg_catalog.pg_last_wal_replay_lsn()"
	}
	var now string
	if err := l.ask.QueryRow(ctx, "select "+function+"::text").Scan(&now); err != nil {
		return 0, false // the run will meet it again
	}
	at, err := replication.ParseLSN(now)
	if err != nil || at < replication.LSN(l.slot.Restart) {
		return 0, false
	}
	return uint64(at) - uint64(l.slot.Restart), true
}

// lag says how much of its log the server keeps for the slot.
func (l *logs) lag(ctx context.Context) {
	bytes, known := l.behind(ctx)
	if !known {
		return
	}
	log := zerolog.Ctx(ctx)
	risk := ""
	if l.slot.WAL == "unreserved" {
		risk = `,"wal_status":"unreserved"`
	}
	log.Info().Msgf(`METRIC: {"type":"gauge","metric":"replication_slot_lag_bytes","value":%d,"tags":{"slot":%q%s}}`, bytes, l.slot.Name, risk)
	if limit := l.set.Log.WarnLag; limit > 0 && bytes>>20 >= uint64(limit) {
		log.Warn().Msgf("the replication slot %q makes the server keep %d MB of its log, more than replication_lag_warning_mb: run more often, or look whether a long transaction holds it up", l.slot.Name, bytes>>20)
	}
	if l.slot.WAL == "unreserved" {
		log.Warn().Msgf("the replication slot %q is about to be lost: the log that it needs is beyond max_slot_wal_keep_size", l.slot.Name)
	}
}

package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"elt/internal/fault"
	"elt/taps/postgres/replication"
)

// slot is a replication slot as pg_replication_slots has it. Columns that the
// server's version has not are zero.
type slot struct {
	Name      string `json:"slot_name"`
	Plugin    string `json:"plugin"`
	Type      string `json:"slot_type"`
	Database  string `json:"database"`
	Active    bool   `json:"active"`
	PID       int    `json:"active_pid"`
	Confirmed lsn    `json:"confirmed_flush_lsn"`
	Restart   lsn    `json:"restart_lsn"`
	WAL       string `json:"wal_status"`
	Reason    string `json:"invalidation_reason"`
	there     bool
}

// lsn reads the server's text; null is 0.
type lsn replication.LSN

func (l *lsn) UnmarshalJSON(raw []byte) error {
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return err
	}
	at, err := replication.ParseLSN(*text)
	*l = lsn(at)
	return err
}

// findSlot is the first of names that is there, else the last of them.
func findSlot(ctx context.Context, ask *pgx.Conn, names []string) (slot, error) {
	rows, err := ask.Query(ctx, "select pg_catalog.to_jsonb(s)::text from pg_catalog.pg_replication_slots s where slot_name = any ($1::text[])", names)
	if err != nil {
		return slot{}, fmt.Errorf("look for the replication slot: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (slot, error) {
		var text string
		if err := r.Scan(&text); err != nil {
			return slot{}, err
		}
		s := slot{there: true}
		return s, json.Unmarshal([]byte(text), &s)
	})
	if err != nil {
		return slot{}, fmt.Errorf("look for the replication slot: %w", err)
	}
	for _, name := range names {
		if at := slices.IndexFunc(found, func(s slot) bool { return s.Name == name }); at >= 0 {
			return found[at], nil
		}
	}
	return slot{Name: names[len(names)-1], Plugin: "pgoutput"}, nil
}

// usable says why a slot that is there cannot be read.
func (s slot) usable(database string) error {
	if !s.there {
		return nil
	}
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Failed, "the replication slot %q %s", s.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case s.Type != "logical":
		return refuse("is a physical one").WithHint("set replication_slot_name to another name")
	case s.Database != database:
		return refuse("belongs to database %q, not to %q", s.Database, database).WithHint("set replication_slot_name to another name: a slot reads one database")
	case s.Plugin != "pgoutput" && s.Plugin != "wal2json":
		return refuse("has the output plugin %q", s.Plugin).WithHint("pgoutput and wal2json can be read: set replication_slot_name to another name, which will be made")
	case s.WAL == "lost" || s.Reason != "":
		why := "the server has thrown away the log that it stood for (max_slot_wal_keep_size)"
		if s.Reason != "" && s.Reason != "wal_removed" {
			why = "the server has invalidated it: " + s.Reason
		}
		return refuse("is lost: %s", why).WithKind(fault.KindShape).
			WithHint("drop it (select pg_drop_replication_slot('%s')), then read its streams anew: elt run --full-refresh", s.Name)
	}
	return nil
}

// keeps says why the log from a bookmark on cannot be had of the slot.
func (s slot) keeps(p *plan) error {
	switch {
	case !s.there:
		return fault.New(fault.Failed, "the replication slot %q is gone, and with it what happened since the bookmark %s", s.Name, p.log.at).WithKind(fault.KindPath).
			WithHint("read the stream anew: elt run --full-refresh --select %s", p.id)
	case s.Confirmed > lsn(p.log.at):
		return fault.New(fault.Failed, "the replication slot %q has moved on to %s, beyond the bookmark %s: what lies between cannot be read again", s.Name, replication.LSN(s.Confirmed), p.log.at).WithKind(fault.KindShape).
			WithHint("does another pipeline read the same slot? Give each its own replication_slot_name. Read the stream anew: elt run --full-refresh --select %s", p.id)
	}
	return nil
}

// source is what LOG_BASED replication asks of a server.
type source struct {
	database string
	version  int
	standby  bool
	walLevel string
	publish  bool // tables are published: the slot's plugin is pgoutput
}

// askSource asks the server, and refuses what cannot be read.
func askSource(ctx context.Context, ask *pgx.Conn) (source, error) {
	var s source
	err := ask.QueryRow(ctx, `select pg_catalog.current_database()::text, pg_catalog.current_setting('server_version_num')::int8, pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('wal_level')`).
		Scan(&s.database, &s.version, &s.standby, &s.walLevel)
	if err != nil {
		return s, fmt.Errorf("ask for the server's settings: %w", err)
	}
	version := ask.PgConn().ParameterStatus("server_version")
	switch {
	case s.standby && s.version < 160000:
		return s, fault.New(fault.Failed, "the server is a replica, and PostgreSQL %s cannot decode its log there; 16 is the first that can", version).
			WithHint("let host and port name the primary; with use_secondary the other streams are read from the replica")
	case s.walLevel != "logical":
		return s, fault.New(fault.Failed, "replication is not enabled: the server's wal_level is %q", s.walLevel).WithKind(fault.KindShape).
			WithHint("alter system set wal_level = 'logical', then restart the server (Amazon RDS: rds.logical_replication = 1; Google Cloud SQL: cloudsql.logical_decoding = on)")
	}
	return s, nil
}

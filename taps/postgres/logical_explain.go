package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/fault"
)

// explainReplication says what the server's refusal of replication means, and
// what to do about it; name is the slot's.
func explainReplication(err error, s settings, name string) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	text := pg.Message
	if pg.Detail != "" {
		text += " (" + pg.Detail + ")"
	}
	say := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Failed, "%s: %s", fmt.Sprintf(format, args...), text)
	}
	switch {
	case pg.Code == "42501":
		return say("the role %q may not replicate", s.primary.User).WithKind(fault.KindPermission).
			WithHint(`alter role "%s" replication (Amazon RDS: grant rds_replication to it)`, s.primary.User)
	case pg.Code == "55006":
		return say("the replication slot %q is in use", name).WithKind(fault.KindLimit).WithHint(slotInUse)
	case pg.Code == "53400":
		return say("the server has no replication slot left").WithKind(fault.KindLimit).WithHint(noSlotLeft)
	case pg.Code == "53300" && strings.Contains(pg.Message, "max_wal_senders"):
		return say("the server has no connection left that could send its log").WithKind(fault.KindLimit).
			WithHint("raise max_wal_senders and restart the server, or see who takes them: select application_name, client_addr, state from pg_stat_replication")
	case strings.HasPrefix(pg.Code, "28"):
		return fmt.Errorf("a connection that reads the log: %w", err)
	case pg.Code == "42704" && strings.Contains(pg.Message, "replication slot"):
		return say("the replication slot %q is gone", name).WithKind(fault.KindPath).
			WithHint("it was dropped, or another server took over that does not have it: read its streams anew: elt run --full-refresh")
	case pg.Code == "42704" && strings.Contains(pg.Message, "publication"):
		return say("the publication is younger than the log that is to be read").WithKind(fault.KindShape).
			WithHint("drop the slot (select pg_drop_replication_slot('%s')), and read its streams anew: elt run --full-refresh", name)
	case pg.Code == "58P01" || pg.Code == "55000" && strings.Contains(pg.Message, "no longer"), strings.Contains(pg.Message, "invalidat"):
		return say("the replication slot %q is lost", name).WithKind(fault.KindShape).
			WithHint("drop it (select pg_drop_replication_slot('%s')), and read its streams anew: elt run --full-refresh", name)
	}
	return fmt.Errorf("PostgreSQL refuses: %w", err)
}

const (
	slotInUse  = "another run of this pipeline, or another pipeline, reads it: see pg_stat_replication; a run that was just killed gives it back within wal_sender_timeout"
	noSlotLeft = "raise max_replication_slots and restart the server, or drop slots that nobody reads: select slot_name, active from pg_replication_slots"
)

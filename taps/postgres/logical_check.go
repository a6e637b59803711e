package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/spec"
)

// CheckStreams implements taps.StreamChecker: of LOG_BASED streams, whether
// the server keeps a log that the role may read, and whether slot and
// publication are, or can be made, as they must be.
func (tap) CheckStreams(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, report *check.Report) {
	s, err := decode(cfg)
	if err != nil || !catalog.LogBased(s.Method) {
		return
	}
	s.primary.Retry = 0
	report.Do(ctx, "replication", func(ctx context.Context) (string, error) {
		ask, err := s.primary.Dial(ctx)
		if err != nil {
			return "", err
		}
		w := worker{conn: ask}
		defer w.close()
		plans, _, err := plansFor(ctx, ask, s, catalog, singer.Bookmarks{})
		if err != nil {
			return "", err
		}
		_, plans = split(plans)
		return (&logs{set: s, ask: ask}).examine(ctx, plans)
	})
}

// examine says of everything that a run would do with the log, by the run's
// own words, what stands in its way. It changes nothing.
func (l *logs) examine(ctx context.Context, plans []*plan) (detail string, err error) {
	var failed []error
	note := func(err error) {
		if err != nil {
			failed = append(failed, err)
		}
	}
	l.source, err = askSource(ctx, l.ask)
	if l.source.database == "" {
		return "", err
	}
	note(err)
	note(l.mayReplicate(ctx))
	if l.slot, err = findSlot(ctx, l.ask, l.set.slots(l.source.database)); err != nil {
		return "", err
	}
	note(l.slot.usable(l.source.database))
	note(l.slot.free())
	left, err := slotsLeft(ctx, l.ask)
	switch {
	case err != nil:
		return "", err
	case left <= 0 && !l.slot.there:
		note(fault.New(fault.Failed, "the server has no replication slot left: all of max_replication_slots are in use").WithKind(fault.KindLimit).WithHint(noSlotLeft))
	}
	refused, err := identities(ctx, l.ask, plans)
	if err != nil {
		return "", err
	}
	plans, more := without(plans, refused)
	failed = append(failed, more...)
	if len(plans) > 0 && l.slot.Plugin == "pgoutput" {
		if refused, err = l.tryPublishing(ctx, plans); err != nil {
			return "", err
		}
		_, more = without(plans, refused)
		failed = append(failed, more...)
	}
	return l.describe(ctx, left), errors.Join(failed...)
}

// mayReplicate logs in as a run does that reads the log.
func (l *logs) mayReplicate(ctx context.Context) error {
	conn, err := l.set.primary.DialReplication(ctx)
	if err != nil {
		return orCancelled(ctx, explainReplication(err, l.set, l.slot.Name))
	}
	(&worker{conn: conn}).close()
	return nil
}

// tryPublishing publishes the tables of plans, and takes it back.
func (l *logs) tryPublishing(ctx context.Context, plans []*plan) (map[*plan]error, error) {
	tx, err := l.ask.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("look whether tables can be published: %w", err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, "set local lock_timeout = '5s'"); err != nil {
		return nil, fmt.Errorf("look whether tables can be published: %w", err)
	}
	return l.publish(ctx, tx, plans)
}

// free says who reads a slot that is in use.
func (s slot) free() error {
	if !s.Active {
		return nil
	}
	return fault.New(fault.Failed, "the replication slot %q is in use: it is active for PID %d", s.Name, s.PID).WithKind(fault.KindLimit).WithHint(slotInUse)
}

// slotsLeft is how many slots the server can still make.
func slotsLeft(ctx context.Context, ask *pgx.Conn) (left int, err error) {
	err = ask.QueryRow(ctx, "select pg_catalog.current_setting('max_replication_slots')::int8 - (select count(*) from pg_catalog.pg_replication_slots)").Scan(&left)
	if err != nil {
		err = fmt.Errorf("count replication slots: %w", err)
	}
	return left, err
}

// describe is what a user may like to know of a log that can be read.
func (l *logs) describe(ctx context.Context, left int) string {
	if !l.slot.there {
		return fmt.Sprintf("the slot %q of %s will be made", l.slot.Name, l.slot.Plugin)
	}
	words := []string{fmt.Sprintf("slot %q of %s", l.slot.Name, l.slot.Plugin)}
	if behind, ok := l.behind(ctx); ok {
		words = append(words, fmt.Sprintf("for which %d MB of the log are kept", behind>>20))
	}
	if l.slot.WAL == "unreserved" {
		words = append(words, "which is about to be lost (max_slot_wal_keep_size)")
	}
	if left <= 0 {
		words = append(words, "no other slot left: a new stream could not be read whole")
	}
	return strings.Join(words, ", ")
}

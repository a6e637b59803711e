package snowflake

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/sqltarget"
	"elt/targets"
)

// stateTable keeps one row per state id: its bookmark, and who wrote it. All
// positions lie in one value, so that one UPDATE is the fence's check and the
// position at once.
const (
	stateTable   = "_ELT_STATE"
	rejectsTable = "_ELT_REJECTS"
	stateFormat  = 1
)

// mark is what a row of the state table is known by: the run that wrote it
// and how often that run has committed. The zero mark is no row.
type mark struct {
	run string
	seq int64
}

func (m mark) String() string {
	if m.run == "" {
		return targets.KeptNone
	}
	return m.run + " " + strconv.FormatInt(m.seq, 10)
}

// parseMark is the inverse of String.
func parseMark(text string) (mark, bool) {
	if text == targets.KeptNone {
		return mark{}, true
	}
	run, seq, two := strings.Cut(text, " ")
	n, err := strconv.ParseInt(seq, 10, 64)
	return mark{run, n}, two && err == nil && run != ""
}

type state struct{ table string }

func (s *sink) state() state { return state{sqltarget.Qualify(s.set.home(), stateTable)} }

func (s state) create() string {
	return "CREATE TABLE IF NOT EXISTS " + s.table + ` ("STATE_ID" VARCHAR NOT NULL, "STREAM" VARCHAR NOT NULL, "POSITION" VARCHAR, "EPOCH" NUMBER(38,0) NOT NULL, "EDIT" NUMBER(38,0) NOT NULL, "SEQ" NUMBER(38,0) NOT NULL, "RUN" VARCHAR NOT NULL, "FORMAT" NUMBER(38,0) NOT NULL, "UPDATED_AT" TIMESTAMP_NTZ)`
}

func (s state) read() string {
	return `SELECT "POSITION", "EPOCH", "EDIT", "SEQ", "RUN", "FORMAT" FROM ` + s.table + ` WHERE "STATE_ID" = ?`
}

// row is what the state id's row becomes.
type stateRow struct {
	position    json.RawMessage // nil: none
	epoch, edit int64
	mark        mark
}

// write is the statement that makes the row of a state id r, provided that it
// is known as was; no row changed means that it is not. An UPDATE and a MERGE
// hold the table until the transaction ends, so whoever claims waits
// (invariant 3).
func (s state) write(stateID string, was mark, r stateRow) (string, []any) {
	var position any
	if len(r.position) > 0 {
		position = string(r.position)
	}
	if was == (mark{}) {
		return "MERGE INTO " + s.table + ` d USING (SELECT ? AS "STATE_ID", ? AS "POSITION", ? AS "EPOCH", ? AS "EDIT", ? AS "SEQ", ? AS "RUN") s ON d."STATE_ID" = s."STATE_ID"` +
				` WHEN NOT MATCHED THEN INSERT ("STATE_ID", "STREAM", "POSITION", "EPOCH", "EDIT", "SEQ", "RUN", "FORMAT", "UPDATED_AT") VALUES (s."STATE_ID", '', s."POSITION", s."EPOCH", s."EDIT", s."SEQ", s."RUN", ` + strconv.Itoa(stateFormat) + `, CURRENT_TIMESTAMP())`,
			[]any{stateID, position, r.epoch, r.edit, r.mark.seq, r.mark.run}
	}
	return "UPDATE " + s.table + ` SET "POSITION" = ?, "EPOCH" = ?, "EDIT" = ?, "SEQ" = ?, "RUN" = ?, "FORMAT" = ` + strconv.Itoa(stateFormat) + `, "UPDATED_AT" = CURRENT_TIMESTAMP() WHERE "STATE_ID" = ? AND "RUN" = ? AND "SEQ" = ?`,
		[]any{position, r.epoch, r.edit, r.mark.seq, r.mark.run, stateID, was.run, was.seq}
}

// touch changes nothing of a row known as m; it waits for whoever holds it,
// and its count says whether the row is so.
func (s state) touch(stateID string, m mark) (string, []any) {
	return "UPDATE " + s.table + ` SET "UPDATED_AT" = CURRENT_TIMESTAMP() WHERE "STATE_ID" = ? AND "RUN" = ? AND "SEQ" = ?`, []any{stateID, m.run, m.seq}
}

// found reads the row of a state id.
func (s *sink) found(ctx context.Context, c *session, stateID string) (targets.Fence, mark, error) {
	rows, err := c.query(ctx, s.state().read(), stateID)
	if err != nil || len(rows) == 0 {
		return targets.Fence{}, mark{}, err
	}
	f := targets.Fence{Found: true}
	for column, into := range map[string]*int64{"EPOCH": &f.Epoch, "EDIT": &f.Edit, "SEQ": &f.Seq} {
		if *into, err = strconv.ParseInt(rows[0][column], 10, 64); err != nil {
			return f, mark{}, fmt.Errorf("%s: column %s: %w", s.state().table, column, err)
		}
	}
	if format := rows[0]["FORMAT"]; format != strconv.Itoa(stateFormat) {
		return f, mark{}, fault.New(fault.StoreSchema, "%s was written by a newer elt (format %s)", s.state().table, format).WithHint("use that elt, or a newer one")
	}
	if p := rows[0]["POSITION"]; p != "" {
		f.Bookmarks = singer.NewBookmarks(json.RawMessage(p))
	}
	return f, mark{rows[0]["RUN"], f.Seq}, nil
}

// moved explains why the state id's row is not as it was: fenced, or changed
// behind the back of elt.
func (s *sink) moved(ctx context.Context, c *session) error {
	f, now, err := s.found(ctx, c, s.stateID)
	switch {
	case err != nil:
		return err
	case s.ours || f.Found && f.Epoch >= s.epoch:
		return targets.ErrFenced
	}
	what := fmt.Sprintf("it was written by run %s", now.run)
	if !f.Found {
		what = "it has no row of this state id any more"
	}
	return fault.Wrap(fault.Failed, targets.ErrMoved, "state id %q: %s, so the bookmark that this run started from cannot be trusted; nothing was written", s.stateID, what).
		WithHint("a backup was restored, or another elt loads the same state id: run again, and the destination's own bookmark counts")
}

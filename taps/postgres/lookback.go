package postgres

import (
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5/pgtype"

	"elt/internal/fault"
	"elt/internal/row"
)

// start is the expression of the key that a resumed INCREMENTAL stream reads
// from: the bookmark, less the look-back.
func (p *plan) start() string {
	kind := p.db.castType(p.key.typ)
	from := literal(p.from) + "::" + kind
	switch {
	case p.lookback == "":
		return from
	case p.keyReading.Kind == row.Int64:
		return fmt.Sprintf("pg_catalog.floor(%s - %s)::%s", from, p.lookback, kind)
	}
	return fmt.Sprintf("(%s - %s)::%s", from, p.lookback, kind) // a day goes back to its beginning
}

// lookBack makes the setting an expression, if it fits the replication key.
func (p *plan) lookBack(text string) error {
	if text == "" {
		return nil
	}
	if len(p.schema.Key) == 0 {
		return fault.New(fault.BadConfig, "setting incremental_lookback reads rows again, and without a key nothing would merge them").
			WithHint("give the stream a key, or leave the setting out")
	}
	n, err := strconv.ParseFloat(text, 64)
	number := err == nil
	switch p.keyType() {
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		if !number {
			p.lookback = literal(text) + "::pg_catalog.interval"
			return nil
		}
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.NumericOID, pgtype.Float4OID, pgtype.Float8OID:
		if number && n >= 0 {
			p.lookback = literal(text) + "::pg_catalog.numeric"
			return nil
		}
	}
	return fault.New(fault.BadConfig, "setting incremental_lookback is %q, which does not fit the replication key %q of type %s", text, p.key.name, p.key.sqlType).
		WithHint("a time goes back by an interval like 10 minutes, a number by a number; other types cannot look back")
}

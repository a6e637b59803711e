package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// attribute is a column of a composite type.
type attribute struct {
	name string
	typ  uint32
}

// loadLogTypes makes all types known that the printed values of used types
// may hold: types the discovery has not met, and what composites are made of.
func (db *database) loadLogTypes(ctx context.Context, conn *pgx.Conn, used []uint32) error {
	if db.attributes == nil {
		db.attributes = map[uint32][]attribute{}
	}
	for {
		missing := map[uint32]bool{}
		for _, oid := range used {
			if _, known := db.types[oid]; !known {
				missing[oid] = true
			}
		}
		if err := db.loadTypes(ctx, conn, missing); err != nil {
			return err
		}
		for oid := range missing { // one that is gone is read as text
			if _, known := db.types[oid]; !known {
				db.types[oid] = pgType{}
			}
		}
		var composites []uint32
		for oid, t := range db.types {
			if _, known := db.attributes[oid]; t.send == "record_send" && !known {
				composites = append(composites, oid)
			}
		}
		if len(composites) == 0 {
			return nil
		}
		rows, err := conn.Query(ctx, `select t.oid, a.attname::text, a.atttypid from pg_catalog.pg_type t
			join pg_catalog.pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
			where t.oid = any ($1::oid[]) order by t.oid, a.attnum`, composites)
		if err != nil {
			return fmt.Errorf("look up composite types: %w", err)
		}
		for _, oid := range composites {
			db.attributes[oid] = nil
		}
		used = nil
		var oid uint32
		var a attribute
		if _, err := pgx.ForEachRow(rows, []any{&oid, &a.name, &a.typ}, func() error {
			db.attributes[oid] = append(db.attributes[oid], a)
			used = append(used, a.typ)
			return nil
		}); err != nil {
			return fmt.Errorf("look up composite types: %w", err)
		}
	}
}

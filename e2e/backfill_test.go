package e2e

import (
	"database/sql"

	"github.com/rogpeppe/go-internal/testscript"
)

// newest: newest NAME puts the id of the newest backfill into $NAME.
func newest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newest NAME")
	}
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(".elt/elt.db")+"?mode=ro&_busy_timeout=10000")
	ts.Check(err)
	defer db.Close()
	var id string
	ts.Check(db.QueryRow("select backfill_id from elt_backfills order by created_at desc limit 1").Scan(&id))
	ts.Setenv(args[0], id)
}

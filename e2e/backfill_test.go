package e2e

import (
	"database/sql"

	"github.com/rogpeppe/go-internal/testscript"
)

// newest: resume and cancel are for the newest backfill of the script's store.
func newest(command string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(".elt/elt.db")+"?mode=ro&_busy_timeout=10000")
		ts.Check(err)
		var id string
		err = db.QueryRow("select backfill_id from elt_backfills order by created_at desc limit 1").Scan(&id)
		db.Close()
		ts.Check(err)
		err = ts.Exec("elt", append([]string{"backfill", command, id}, args...)...)
		if (err != nil) != neg {
			ts.Fatalf("elt backfill %s %s: %v", command, id, err)
		}
	}
}

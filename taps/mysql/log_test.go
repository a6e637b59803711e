package mysql_test

import (
	"strings"
	"testing"
)

// last is the bookmark that a run ended with.
func (o *transcript) last() string { return string(o.positions[len(o.positions)-1].Value) }

func (o *transcript) want(t *testing.T, rows ...string) {
	t.Helper()
	if got := strings.Join(o.rows, "\n"); got != strings.Join(rows, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(rows, "\n"))
	}
}

func TestLogFollowsASnapshot(t *testing.T) {
	for _, gtid := range []bool{false, true} {
		for _, image := range []string{"FULL", "MINIMAL"} {
			t.Run(image, func(t *testing.T) {
				w := newWorld(t, "create table t (id int primary key, a varchar(9), b int)", "insert into t values (1, 'a', 1), (2, 'b', 2)", "create table other (id int)")
				w.cfg["use_gtid"] = gtid
				first := w.mustSync("t", logBased, "")
				first.want(t, `1 "a" 1`, `2 "b" 2`)
				if again := w.mustSync("t", logBased, first.last()); len(again.rows) > 0 || again.last() != first.last() {
					t.Errorf("nothing happened, and there are %v up to %s", again.rows, again.last())
				}
				session := w.open()
				for _, sql := range []string{"set binlog_row_image = '" + image + "'", "insert into t values (3, 'c', 3)", "insert into other values (1)", "begin", "insert into t (id, b) values (4, 4)", "update t set b = 20 where id = 2", "update t set id = 5 where id = 1", "delete from t where id = 3", "commit",
					"insert into other select seq from seq_1_to_1000", "update t set a = null, b = null where id = 4"} {
					if _, err := session.ExecContext(t.Context(), sql); err != nil {
						t.Fatal(err)
					}
				}
				next := w.mustSync("t", logBased, first.last())
				if image == "FULL" {
					next.want(t, `3 "c" 3`, `4 null 4`, `~2 "b" 20`, `-1 "a" 1`, `5 "a" 1`, `-3 "c" 3`, `~4 null null`)
				} else { // what the log leaves out of a new row is as it is now
					next.want(t, `3 "c" 3`, `4 null 4`, `~2 unset 20`, `-1 null null`, `5 "a" 1`, `-3 null null`, `~4 null null`)
				}
				for i, p := range next.positions {
					rest := w.mustSync("t", logBased, string(p.Value))
					rest.want(t, next.rows[p.Rows:]...)
					if !p.Exact {
						t.Errorf("position %d is not exact", i)
					}
				}
			})
		}
	}
}

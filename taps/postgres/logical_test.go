package postgres_test

import (
	"strings"
	"testing"
)

func TestLogBasedFollowsATable(t *testing.T) {
	for _, dialect := range []string{`{"dialect": "meltanolabs"}`, `{"dialect": "transferwise"}`} {
		t.Run(dialect, func(t *testing.T) {
			l := newLogged(t)
			l.exec("create table t (id int primary key, name text, big text); alter table t alter column big set storage external; create table u (a int, b text, v numeric, primary key (a, b))")
			l.exec("insert into t select n, 'n' || n, repeat(n::text, 3000) from generate_series(1, 50) n; insert into u values (1, 'x', 1.50)")
			l.must(dialect)
			l.same("t", "u")
			l.exec("insert into t values (100, 'new', 'small'); update t set name = 'changed' where id <= 10; delete from t where id = 11; update t set id = 200 where id = 12; update t set big = null where id = 13")
			l.exec("begin; insert into u values (2, 'y', 'NaN'); update u set v = v + 1; delete from u where a = 1; insert into u values (1, 'x', 9); commit")
			l.must(dialect)
			l.same("t", "u")
			if m := l.out.tables["public-t"]; m.updates != 10 || m.deletes != 2 {
				t.Errorf("%d rows with values that the log did not repeat, %d deletions", m.updates, m.deletes)
			}
			before := l.out.state()
			l.must(dialect)
			l.same("t", "u")
			if l.out.rows > 200 {
				t.Errorf("%d rows came", l.out.rows)
			}
			t.Log(strings.TrimSpace(before))
		})
	}
}

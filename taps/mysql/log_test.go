package mysql_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/internal/fake/mariadb"
	"elt/internal/fault"
	"elt/taps"
	"elt/taps/mysql"
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

// A table may get columns while its log is read; one that lost some can only
// be told by names.
func TestLogAcrossChangesOfShape(t *testing.T) {
	w := newWorld(t, "create table t (id int primary key, a varchar(9))")
	first := w.mustSync("t", logBased, "").last()
	w.exec("insert into t values (1, 'a')", "alter table t add b int default 7, modify a varchar(99)", "insert into t values (2, 'b', 8)")
	w.mustSync("t", logBased, first).want(t, `1 "a" null`, `2 "b" 8`)
	w.exec("alter table t drop a", "insert into t values (3, 9)")
	if _, err := w.sync("t", logBased, first); err == nil || !strings.Contains(fault.Render(err), "--full-refresh") || !strings.Contains(err.Error(), "was no int") {
		t.Errorf("a column is gone: %v", err)
	}
	w.exec("set global binlog_row_metadata = 'FULL'")
	defer w.exec("set global binlog_row_metadata = 'NO_LOG'")
	w.exec("create table n (a int, gone int, b int, primary key (b))")
	first = w.mustSync("n", logBased, "").last()
	w.exec("insert into n values (1, 2, 3)", "alter table n drop gone, modify b bigint first, add c varchar(5)", "insert into n values (4, 5, 'c')")
	w.mustSync("n", logBased, first).want(t, `3 1 null`, `4 5 "c"`)
}

func TestLogEmptiedTable(t *testing.T) {
	w := newWorld(t, "create table t (id int primary key)", "insert into t values (1)", "create table tt (id int)")
	first := w.mustSync("t", logBased, "")
	w.exec("truncate table tt", "update t set id = 2", "truncate t", "insert into t values (3)")
	next := w.mustSync("t", logBased, first.last())
	next.want(t, "-1", "2", "3")
	if first.activated != 0 || next.activated != 1 || next.versions[2] == 0 {
		t.Errorf("activated %d and %d times, versions %v", first.activated, next.activated, next.versions)
	}
	w.exec("insert into t values (4)")
	if third := w.mustSync("t", logBased, next.last()); third.activated != 0 || third.versions[0] != next.versions[2] {
		t.Errorf("after it the version is %v, was %v", third.versions, next.versions)
	}
}

// Every way to go on from a bookmark: of PipelineWise, by GTID where the file
// is gone, and through a compressed log.
func TestLogPlaces(t *testing.T) {
	w := newWorld(t, "create table t (id int primary key, a varchar(900)) comment 'x'")
	first := w.mustSync("t", logBased, "").last()
	w.exec("set global log_bin_compress = 1", "set global log_bin_compress_min_len = 10")
	w.exec("insert into t values (1, repeat('a', 900))", "update t set a = repeat('b', 900)", "flush logs", "delete from t")
	w.exec("set global log_bin_compress = 0")
	a, b := `"`+strings.Repeat("a", 900)+`"`, `"`+strings.Repeat("b", 900)+`"`
	w.mustSync("t", logBased, first).want(t, "1 "+a, "~1 "+b, "-1 "+b)
	var mark struct {
		File string `json:"log_file"`
		Pos  int64  `json:"log_pos"`
		GTID string `json:"gtid"`
	}
	if err := json.Unmarshal([]byte(first), &mark); err != nil || mark.File == "" || mark.Pos == 0 || mark.GTID == "" {
		t.Fatal(first)
	}
	w.cfg["dialect"] = "transferwise"
	w.mustSync("t", logBased, fmt.Sprintf(`{"log_file":%q,"log_pos":%d,"version":7}`, mark.File, mark.Pos)).want(t, "1 "+a, "~1 "+b, "-1 "+b)
	w.cfg["use_gtid"], w.cfg["server_id"] = true, 4711
	w.mustSync("t", logBased, fmt.Sprintf(`{"log_file":"elsewhere.000001","log_pos":4,"gtid":%q,"version":7}`, mark.GTID)).want(t, "1 "+a, "~1 "+b, "-1 "+b)
	last := w.mustSync("t", logBased, first).last()
	w.exec("create table noise (id int)")
	w.mustSync("t", logBased, fmt.Sprintf(`{"gtid":%q}`, gtidOf(t, last))).want(t)
	w.cfg["replication_max_run_seconds"] = 1
	w.mustSync("t", logBased, first).want(t, "1 "+a, "~1 "+b, "-1 "+b)
}

func gtidOf(t *testing.T, bookmark string) string {
	var mark struct{ GTID string }
	if err := json.Unmarshal([]byte(bookmark), &mark); err != nil || mark.GTID == "" {
		t.Fatal(bookmark)
	}
	return mark.GTID
}

func TestLogTroubleIsExplained(t *testing.T) {
	w := newWorld(t, "create table t (id int primary key)", "create view v as select * from t", "create user if not exists walker@'127.0.0.1' identified by 'opensesame'")
	first := w.mustSync("t", logBased, "").last()
	try := func(table, bookmark string, kind fault.Kind, want string) {
		t.Helper()
		_, err := w.sync(table, logBased, bookmark)
		if err == nil || kind != "" && fault.KindOf(err) != kind || !strings.Contains(fault.Render(err), want) {
			t.Errorf("want %q, kind %s: %v, kind %s", want, kind, err, fault.KindOf(err))
		}
	}
	try("v", "", "", "is a view")
	try("t", `{"log_file":"log.000001","log_pos":4000000000}`, fault.KindServer, "was restored, or is another one")
	try("t", `{"log_file":"log.000001","log_pos":5}`, fault.KindServer, "was restored, or is another one")
	try("t", `{"log_file":"none.000001","log_pos":4}`, fault.KindServer, "purged")
	try("t", `{"gtid":"what"}`, "", "its bookmark cannot be read")
	try("t", `{"gtid":"0-1-1"}`, "", "use_gtid: true")
	w.cfg["start_date"] = "2024-01-01"
	try("t", "", "", "cannot window")
	delete(w.cfg, "start_date")
	session := w.open()
	for _, sql := range []string{"set binlog_format = 'STATEMENT'", "insert into t values (77)"} {
		if _, err := session.ExecContext(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	try("t", first, "", "as a statement, not as rows")
	w.exec("set global binlog_format = 'MIXED'")
	try("t", "", fault.KindSettings, "binlog_format = ROW")
	w.wantCheck("t", "replication:settings read", "binlog_format = ROW")
	w.exec("set global binlog_format = 'ROW'", fmt.Sprintf("grant select on %s.* to walker@'127.0.0.1'", w.name))
	w.cfg["user"], w.cfg["password"] = "walker", "opensesame"
	try("t", "", fault.KindPermission, "BINLOG MONITOR")
	w.wantCheck("t", "replication:permission read", "BINLOG MONITOR")
	w.exec("grant binlog monitor on *.* to walker@'127.0.0.1'", "insert into t values (78)")
	try("t", w.beyond(first), fault.KindPermission, "REPLICATION SLAVE")
	w.wantCheck("t", "replication:permission read", "the binlog may not be read", "REPLICATION SLAVE")
	w.exec("grant replication slave on *.* to walker@'127.0.0.1'")
	w.mustSync("t", logBased, w.beyond(first)).want(t, "78")
	w.wantCheck("t", "replication read", "the binlog ends at log.0")
	off, err := mariadb.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer off.Stop()
	w.cfg["port"], w.cfg["user"], w.cfg["password"], w.cfg["database"], w.cfg["filter_dbs"] = off.Port, "root", "", "mysql", []string{"mysql"}
	c := w.name
	w.name = "mysql"
	try("user", "", fault.KindSettings, "log_bin is off")
	w.wantCheck("user", "replication:settings read", "log_bin is off")
	w.name = c
}

// A log that leaves columns out is refused for tables that could not be asked
// for them, by the check as by the run; the other streams are read.
func TestLogThatHoldsTooLittle(t *testing.T) {
	w := newWorld(t, "create table t (id int primary key)", "create table nokey (a int, b int)", "insert into nokey values (1, 2)")
	w.exec("set global binlog_row_image = 'MINIMAL'")
	defer w.exec("set global binlog_row_image = 'FULL'")
	w.wantCheck("t", "replication read")
	w.wantCheck("nokey", "replication:settings read", "binlog_row_image is MINIMAL", "no primary key")
	if _, err := w.sync("nokey", logBased, ""); err == nil || !strings.Contains(fault.Render(err), "binlog_row_image = 'FULL'") {
		t.Errorf("the run says %v", err)
	}
	w.mustSync("nokey", "", "").want(t, "1 2")
	w.exec("create view v as select * from t")
	w.wantCheck("v", "replication:settings read", "is a view")
}

// wantCheck wants names of checks with kinds of failures, and words of what
// was said, from --check of a table that is LOG_BASED.
func (w *world) wantCheck(table, want string, said ...string) {
	w.t.Helper()
	_, c := w.resolve()
	for _, s := range c.Streams {
		s.SetMeta("selected", s.ID() == w.name+"-"+table)
		s.SetMeta("replication-method", logBased)
	}
	text, err := c.Print()
	if err != nil {
		w.t.Fatal(err)
	}
	raw, _ := json.Marshal(w.cfg)
	dir := w.t.TempDir()
	for name, content := range map[string][]byte{"config.json": raw, "catalog.json": text} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	taps.Serve(w.t.Context(), mysql.New(), []string{"--config", filepath.Join(dir, "config.json"), "--check", "--catalog", filepath.Join(dir, "catalog.json")}, taps.IO{Out: &out, Err: &errs}, nil)
	var got []string
	for line := range strings.Lines(out.String()) {
		var r check.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		if !r.Passed {
			r.Check += ":" + string(r.Kind)
		}
		got = append(got, r.Check)
	}
	if names := strings.Join(got, " "); names != want {
		w.t.Errorf("%s, want %s", names, want)
	}
	for _, word := range said {
		if !strings.Contains(out.String(), word) {
			w.t.Errorf("nothing says %q", word)
		}
	}
	if w.t.Failed() {
		w.t.Log(out.String() + errs.String())
	}
}

// beyond is the place behind the statement that TestLogTroubleIsExplained made.
func (w *world) beyond(bookmark string) string {
	var mark struct {
		File string `json:"log_file"`
	}
	if err := json.Unmarshal([]byte(bookmark), &mark); err != nil {
		w.t.Fatal(err)
	}
	session := w.open()
	rows, err := session.QueryContext(w.t.Context(), "show binlog events in '"+mark.File+"'")
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var end, server int64
	var file, kind, info, pos string
	past := false
	for rows.Next() {
		if err := rows.Scan(&file, &pos, &kind, &server, &end, &info); err != nil {
			w.t.Fatal(err)
		}
		if past = past || strings.Contains(info, "values (77)"); past && strings.HasPrefix(kind, "Xid") || past && strings.Contains(info, "COMMIT") {
			return fmt.Sprintf(`{"log_file":%q,"log_pos":%d}`, mark.File, end)
		}
	}
	w.t.Fatal("the statement is not in the log")
	return ""
}

// While somebody works on a table, its snapshot and as many runs as it takes
// lead to what it holds.
func TestLogConverges(t *testing.T) {
	w := newWorld(t, "create table t (id int primary key, a int, b varchar(300), key (a))", "insert into t select seq, seq, repeat(hex(seq), 20) from seq_1_to_30000")
	done := make(chan struct{})
	session := w.open()
	random := rand.New(rand.NewPCG(1, 2))
	go func() {
		defer close(done)
		for i := range 600 {
			ops := []string{"begin"}
			for range 1 + random.IntN(20) {
				id := 1 + random.IntN(31000)
				ops = append(ops, []string{
					fmt.Sprintf("update t set a = %d, b = repeat('%x', %d) where id = %d", i, i, random.IntN(40), id),
					fmt.Sprintf("delete from t where id = %d", id),
					fmt.Sprintf("insert ignore into t values (%d, %d, 'new')", id, -i),
					fmt.Sprintf("update ignore t set id = %d where id = %d", 1+random.IntN(31000), id),
					fmt.Sprintf("update t set a = a + 1 where a between %d and %d", id, id+5),
				}[random.IntN(5)])
			}
			for _, sql := range append(ops, []string{"commit", "commit", "commit", "rollback"}[random.IntN(4)]) {
				if _, err := session.ExecContext(context.Background(), sql); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	here, mark := map[string]string{}, ""
	run := func() {
		out := w.mustSync("t", logBased, mark)
		for _, r := range out.rows {
			deleted := strings.HasPrefix(r, "-")
			key, rest, _ := strings.Cut(strings.TrimLeft(r, "-~"), " ")
			if delete(here, key); !deleted {
				here[key] = rest
			}
		}
		mark = out.last()
	}
	for working := true; working; {
		run()
		select {
		case <-done:
			working = false
		default:
		}
	}
	run()
	there := w.mustSync("t", "", "").rows
	for _, r := range there {
		key, rest, _ := strings.Cut(r, " ")
		if here[key] != rest {
			t.Fatalf("row %s is %q, not %q", key, here[key], rest)
		}
	}
	if len(here) != len(there) {
		t.Errorf("%d rows, not %d", len(here), len(there))
	}
}

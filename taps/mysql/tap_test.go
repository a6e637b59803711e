package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps"
	"elt/taps/mysql"
	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	w := newWorld(t, "create table orders (id int primary key, placed datetime(6), total decimal(12,2), note text, ratio double, day date, at time, doc blob, paid tinyint(1))",
		`insert into orders values (1, '2024-01-02 03:04:05.678901', 12.5, 'a\nb', 0.1, '2024-02-29', '23:59:59', 'x', 1), (2, null, -0.01, '', 1e-300, null, null, '', 0)`,
		"create table `lines` (order_id int, line int, primary key (order_id, line))", "insert into `lines` select seq, seq % 7 from seq_1_to_12000",
		"create table empty (id int primary key)", "create view totals as select order_id % 10 as digit, count(*) as n from `lines` group by 1")
	for _, dialect := range []string{"meltanolabs", "transferwise"} {
		cfg := maps.Clone(w.cfg)
		cfg["dialect"] = dialect
		rows := map[string]int{w.name + "-orders": 2, w.name + "-lines": 12000, w.name + "-empty": 0, w.name + "-totals": 10}
		t.Run(dialect, func(t *testing.T) { taptest.Run(t, mysql.New(), cfg, taptest.Expect{Rows: rows, Resumed: rows}) })
	}
}

func TestEveryTypeArrivesExactly(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct{ typ, values, kind, rows string }{
		{"bigint", "-9223372036854775808, 9223372036854775807, null", "int64", "-9223372036854775808|9223372036854775807|null"},
		{"bigint unsigned", "18446744073709551615, 0", "numeric", "18446744073709551615|0"},
		{"int unsigned", "4294967295", "int64", "4294967295"},
		{"tinyint(1)", "1, 0", "bool", "true|false"},
		{"tinyint(1)", "1, 7, 0", "text", `true|"7"|"false"`},
		{"bit(1)", "b'1', b'0'", "bool", "true|false"},
		{"bit(12)", "b'101010101010'", "int64", "2730"},
		{"bit(64)", "18446744073709551615", "numeric", "18446744073709551615"},
		{"year", "2024", "int64", "2024"},
		{"decimal(65,30)", "'12345678901234567890123456789012345.123456789012345678901234567890'", "numeric", "12345678901234567890123456789012345.123456789012345678901234567890"},
		{"float", "0.1, 16777216, 3.4e38", "float64", "0.1|16777216|3.4e+38"},
		{"double", "0.1, 5e-324, 1e300", "float64", "0.1|5e-324|1e+300"},
		{"datetime(6)", "'2024-02-29 12:34:56.789012', '9999-12-31 23:59:59.999999', '0000-00-00'", "timestamp", `"2024-02-29T12:34:56.789012"|"9999-12-31T23:59:59.999999"|null`},
		{"timestamp(6) null", "'2024-02-29 12:34:56.5'", "timestamptz", `"2024-02-29T12:34:56.500000+00:00"`},
		{"date", "'2024-02-29', '0000-00-00', '0001-01-01'", "date", `"2024-02-29"|null|"0001-01-01"`},
		{"date", "'2024-02-29', '2024-02-00'", "text", `"2024-02-29"|"2024-02-00"`},
		{"time(6)", "'23:59:59.999999', '838:59:59', '-01:00'", "text", `"23:59:59.999999"|"838:59:59.000000"|"-01:00:00.000000"`},
		{"set('a','b')", "'a,b', ''", "text", `"a,b"|""`},
		{"enum('é','b')", "'é'", "text", `"é"`},
		{"geometry", "st_geomfromtext('POINT(1 2)')", "text", `"POINT(1 2)"`},
		{"varbinary(9)", "x'00ff', ''", "bytes", `"AP8="|""`},
		{"binary(3)", "'a'", "bytes", `"YQAA"`},
		{"varchar(20)", `'😀 "\\'`, "text", `"😀 \"\\"`},
		{"uuid", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8', '123e4567-e89b-42d3-a456-426614174000', '017f22e2-79b0-7cc3-98c4-dc0c0c07398f', '00000000-0000-0000-0000-000000000000'", "uuid",
			`"6ba7b810-9dad-11d1-80b4-00c04fd430c8"|"123e4567-e89b-42d3-a456-426614174000"|"017f22e2-79b0-7cc3-98c4-dc0c0c07398f"|"00000000-0000-0000-0000-000000000000"`},
		{"inet6", "'2001:db8::ff00:42:8329', '::'", "text", `"2001:db8::ff00:42:8329"|"::"`},
		{"tinyint unsigned", "255, 0", "int64", "255|0"},
		{"smallint", "-32768, 32767", "int64", "-32768|32767"},
		{"smallint unsigned", "65535", "int64", "65535"},
		{"mediumint", "-8388608, 8388607", "int64", "-8388608|8388607"},
		{"mediumint unsigned", "16777215", "int64", "16777215"},
		{"int", "-2147483648", "int64", "-2147483648"},
		{"decimal(10,0)", "-1234567890, 0, 5", "numeric", "-1234567890|0|5"},
		{"decimal(5,5)", "0.00001, -0.99999", "numeric", "0.00001|-0.99999"},
		{"decimal(20,9) unsigned", "12345678901.123456789, 0.5", "numeric", "12345678901.123456789|0.500000000"},
		{"datetime", "'2024-02-29 12:34:56'", "timestamp", `"2024-02-29T12:34:56"`},
		{"datetime(3)", "'2024-02-29 12:34:56.78'", "timestamp", `"2024-02-29T12:34:56.780000"`},
		{"timestamp(1) null", "'2038-01-19 03:14:07.9', '1970-01-01 00:00:01'", "timestamptz", `"2038-01-19T03:14:07.900000+00:00"|"1970-01-01T00:00:01+00:00"`},
		{"time(2)", "'-00:00:00.25', '-838:59:59.99', '12:00'", "text", `"-00:00:00.25"|"-838:59:59.99"|"12:00:00.00"`},
		{"time(1)", "'00:00:00.5', '23:59:59.9'", "time", `"00:00:00.500000"|"23:59:59.900000"`},
		{"time", "'-00:00:01'", "text", `"-00:00:01"`},
		{"set('a','b''c','D')", "'a,D', 'b''c'", "text", `"a,D"|"b'c"`},
		{"enum('x,y','')", "'x,y', ''", "text", `"x,y"|""`},
		{"char(5)", "'ab  ', ''", "text", `"ab"|""`},
		{"char(200) character set utf8mb4", "'ü'", "text", `"ü"`},
		{"varchar(300)", "'é'", "text", `"é"`},
		{"varchar(20) character set latin1", "'Zürich €'", "text", `"Zürich €"`},
		{"text character set cp1251", "'Привет'", "text", `"Привет"`},
		{"varchar(20) character set sjis", "'日本'", "text", `"日本"`},
		{"varchar(20) character set utf16", "'日本 😀'", "text", `"日本 😀"`},
		{"blob", "x'00ff27'", "bytes", `"AP8n"`},
		{"json", `'{"a": [2.50]}'`, "text", `"{\"a\": [2.50]}"`},
		{"bit(20)", "b'10000000000000000001'", "int64", "524289"},
		{"year", "1901, 2155, 0", "int64", "1901|2155|0"},
	} {
		w.exec("drop table if exists t", "create table t (v "+c.typ+")")
		empty := w.mustSync("t", logBased, "").last()
		for _, v := range strings.Split(c.values, ", ") {
			w.exec("insert into t values (" + v + ")")
		}
		for from, out := range map[string]*transcript{"the table": w.mustSync("t", "", ""), "the log": w.mustSync("t", logBased, empty)} {
			kind := out.schemas[len(out.schemas)-1].Columns[0].Kind.String()
			if got := strings.Join(out.rows, "|"); got != c.rows || kind != c.kind {
				t.Errorf("%s: %s out of %s\n got %s %s\nwant %s %s", c.typ, c.values, from, kind, got, c.kind, c.rows)
			}
		}
	}
	w.cfg["zero_dates"] = "fail"
	w.exec("create table z (d date)", "insert into z values ('0000-00-00')")
	if _, err := w.sync("z", "", ""); err == nil || !strings.Contains(err.Error(), "0000-00-00") {
		t.Errorf("zero_dates: fail: %v", err)
	}
}

// Each position, resumed from, gives the rows that were not covered and, if it
// is exact, no other.
func TestEveryPositionGoesOn(t *testing.T) {
	w := newWorld(t, "create table a (id int primary key, k int, at timestamp(3) not null, v text)",
		"insert into a select seq * 3, seq div 7, from_unixtime(1700000000 + seq / 8), hex(seq) from seq_1_to_24000",
		"create table b (x varchar(20), y bigint unsigned, v text, primary key (x, y))", "insert into b select char(97 + seq % 26), 18446744073709551615 - seq, repeat(hex(seq), 9) from seq_1_to_24000")
	for _, dialect := range []string{"meltanolabs", "transferwise"} {
		w.cfg["dialect"] = dialect
		for _, c := range []struct{ table, key string }{{"a", ""}, {"a", "k"}, {"a", "at"}, {"b", ""}, {"b", "y"}} {
			if dialect == "transferwise" && c.table == "b" {
				continue // differs in the bookmark's members only
			}
			whole := w.mustSync(c.table, c.key, "")
			if len(whole.rows) != 24000 || len(whole.positions) < 3 || whole.activated != map[string]int{"transferwise": 1}[dialect] {
				t.Fatalf("%v: %d rows, %d positions, activated %d", c, len(whole.rows), len(whole.positions), whole.activated)
			}
			for i, p := range whole.positions {
				last := i == len(whole.positions)-1
				if last && c.key == "" {
					continue
				} else if p.Exact == last {
					t.Errorf("%v: %s: exact %v", c, p.Value, p.Exact)
				}
				rest := w.mustSync(c.table, c.key, string(p.Value)).rows
				want := whole.rows[p.Rows:]
				if p.Exact && !slices.Equal(rest, want) || len(rest) < len(want) {
					t.Errorf("%v: from %s there are %d rows, not %d", c, p.Value, len(rest), len(want))
				}
			}
		}
	}
}

// Rows are read where they lie in a buffer of 64 KB, in packets of 16 MB.
func TestValuesLargerThanBuffersAndPackets(t *testing.T) {
	w := newWorld(t, "set global max_allowed_packet = 67108864")
	w.exec("create table t (id int primary key, v longtext, after int)")
	sizes := []int{65519, 65520, 65521, 65531, 65532, 65533, 100_000, 16777190, 16777200, 16777210, 16777215, 16777216, 40_000_000, 3}
	for i, n := range sizes {
		w.exec(fmt.Sprintf("insert into t values (%d, repeat('y', %d), %d)", i, n, i))
	}
	rows := w.mustSync("t", "", "").rows
	if len(rows) != len(sizes) {
		t.Fatalf("%d rows", len(rows))
	}
	for i, n := range sizes {
		want := fmt.Sprintf("%d %q %d", i, strings.Repeat("y", n), i)
		if rows[i] != want {
			t.Errorf("a text of %d bytes: %d bytes, ends in %q", n, len(rows[i]), rows[i][max(0, len(rows[i])-20):])
		}
	}
}

func TestWindow(t *testing.T) {
	w := newWorld(t, "create table t (v int, k timestamp(6) null)", "insert into t values (0, null), (1, '2023-12-31 23:59:59.999999'), (2, '2024-01-01'), (3, '2024-01-31 23:59:59.999999'), (4, '2024-02-01')",
		"create table n (k int)")
	w.cfg["start_date"], w.cfg["end_date"] = "2024-01-01", "2024-02-01T00:00:00Z"
	if got := w.mustSync("t", "k", "").rows; len(got) != 2 || got[0][0] != '2' || got[1][0] != '3' {
		t.Errorf("the window holds %v", got)
	}
	if _, err := w.sync("n", "k", ""); err == nil || !strings.Contains(err.Error(), "cannot window") {
		t.Errorf("a window over numbers: %v", err)
	}
}

func TestABrokenConnectionIsSaid(t *testing.T) {
	w := newWorld(t, "create table a (id int primary key, v varchar(255))", "insert into a select seq, repeat('x', 250) from seq_1_to_60000")
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%d)/", server.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	out := &killed{kill: func() {
		var id int
		err := db.QueryRow("select id from information_schema.processlist where db = ? and info like 'select `id`%'", w.name).Scan(&id)
		if err == nil {
			_, err = db.Exec(fmt.Sprintf("kill %d", id))
		}
		if err != nil {
			t.Error(err)
		}
	}}
	if err := w.syncInto(out, "a", "", ""); err == nil || fault.KindOf(err) != fault.KindConnect || !strings.Contains(err.Error(), "broke while") {
		t.Fatalf("the server killed the connection: %v, kind %s", err, fault.KindOf(err))
	}
	last := out.positions[len(out.positions)-1]
	if rest := w.mustSync("a", "", string(last.Value)).rows; last.Rows == 0 || len(rest) != 60000-int(last.Rows) {
		t.Errorf("from %s there are %d rows", last.Value, len(rest))
	}
}

// killed loses its source at the first position.
type killed struct {
	transcript
	kill func()
}

func (o *killed) Stream(ctx context.Context, s *row.Schema) (taps.Stream, error) { return o, nil }
func (o *killed) Position(p taps.Position) error {
	if o.kill != nil {
		o.kill()
		o.kill = nil
	}
	return o.transcript.Position(p)
}

func TestTroubleIsExplained(t *testing.T) {
	w := newWorld(t, "create table t (id int, f float)", "create user if not exists clerk@'127.0.0.1' identified by 'opensesame'")
	base := maps.Clone(w.cfg)
	for name, c := range map[string]struct {
		cfg  map[string]any
		want fault.Kind
		hint string
	}{
		"password": {map[string]any{"user": "clerk", "password": "hunter2hunter2"}, fault.KindAuth, "check user"},
		"database": {map[string]any{"database": "gone"}, fault.KindPath, "gone"},
		"port":     {map[string]any{"port": 1}, fault.KindConnect, "check host"},
		"tls":      {map[string]any{"ssl": "true"}, "", ""},
		"url":      {map[string]any{"sqlalchemy_url": "postgres://u:hunter2hunter2@h/d"}, fault.KindSettings, "mysql+pymysql"},
	} {
		w.cfg = maps.Clone(base)
		maps.Copy(w.cfg, c.cfg)
		_, err := w.sync("t", "", "")
		if err == nil || c.want != "" && fault.KindOf(err) != c.want || !strings.Contains(fault.Render(err), c.hint) || strings.Contains(fault.Render(err), "hunter2") {
			t.Errorf("%s: %v, kind %s", name, err, fault.KindOf(err))
		}
	}
	w.cfg = maps.Clone(base)
	for _, c := range []struct{ key, bookmark, want string }{
		{"idd", "", `did you mean "id"`}, {"f", "", "no exact position"},
		{"id", `{"replication_key":"id","replication_key_value":"' or 1=1"}`, "does not fit"},
		{"id", `{"replication_key":"id","replication_key_value":{"a":1}}`, "does not fit"},
	} {
		if _, err := w.sync("t", c.key, c.bookmark); err == nil || !strings.Contains(fault.Render(err), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	w.exec("create sql security invoker view hidden as select * from t", fmt.Sprintf("grant select on %s.hidden to clerk@'127.0.0.1'", w.name))
	w.cfg["user"], w.cfg["password"] = "clerk", "opensesame"
	if _, err := w.sync("hidden", "", ""); err == nil || fault.KindOf(err) != fault.KindPermission || !strings.Contains(err.Error(), "`hidden`") {
		t.Errorf("a view over a table that may not be read: %v", err)
	}
	w.cfg = maps.Clone(base)
	w.cfg["unix_socket"], w.cfg["host"] = server.Socket, "gone.invalid"
	w.mustSync("t", "", "")
}

// TLS of a server that has none is a mistake in the settings: it is said at
// once, not tried again for connect_retry_seconds.
func TestNoTLSAtTheServerIsSaid(t *testing.T) {
	w := newWorld(t)
	w.cfg["ssl"], w.cfg["connect_retry_seconds"] = "true", 600
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_, err := mysql.New().Discover(ctx, w.settings())
	if err == nil || ctx.Err() != nil || !strings.Contains(fault.Advice(err), "leave the setting ssl out") {
		t.Errorf("%v (%s)", err, fault.Advice(err))
	}
}

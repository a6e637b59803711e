package snowflake

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	fake "elt/internal/fake/snowflake"
	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/sqltarget"
)

// columns is the shape of a table, as the account describes it.
func columns(t testing.TB, srv *fake.Server, table string) string {
	t.Helper()
	names, cells, err := srv.Query(`DESCRIBE TABLE RAW."` + table + `"`)
	must(t, err)
	at := map[string]int{}
	for i, n := range names {
		at[strings.ToLower(n)] = i
	}
	var out []string
	for _, r := range cells {
		if name := r[at["name"]].(string); !strings.HasPrefix(name, "_SDC_") {
			out = append(out, name+" "+r[at["type"]].(string))
		}
	}
	return strings.Join(out, ", ")
}

func typed(property string) string {
	return `{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":"integer"},"v":` + property + `}},"key_properties":["id"]}`
}

func valued(id int, v string) string {
	return fmt.Sprintf(`{"type":"RECORD","stream":"a","record":{"id":%d,"v":%s}}`, id, v)
}

func TestColumnTypes(t *testing.T) {
	const id = "ID NUMBER(38,0), "
	for _, c := range []struct{ property, value, want string }{
		{`{"type":"integer"}`, "1", "V NUMBER(38,0)"},
		{`{"type":"number"}`, "1.5", "V NUMBER(38,9)"},
		{`{"type":"number"}`, "1.12345678901234", "V NUMBER(38,14)"},
		{`{"type":"number"}`, "12345678901234567890123456789012345.1", "V NUMBER(38,3)"},
		{`{"type":"number"}`, "1e-40", "V VARCHAR(16777216)"},
		{`{"type":"number","multipleOf":0.01}`, "1.5", "V NUMBER(38,9)"}, // how large it gets is not said
		{`{"type":"string","format":"singer.decimal","precision":10,"scale":4}`, `"1.5"`, "V NUMBER(38,4)"},
		{`{"type":"string"}`, `"x"`, "V VARCHAR(16777216)"},
		{`{"type":"object"}`, `{"a":1}`, "V VARIANT"},
		{`{"type":"string","format":"date-time"}`, `"2024-01-01T00:00:00Z"`, "V TIMESTAMP_NTZ(9)"},
		{`{"type":"string","format":"date"}`, `"2024-01-01"`, "V DATE"},
		{`{"type":"boolean"}`, `true`, "V BOOLEAN"},
	} {
		srv := fake.Start(t)
		r := newRunner(t, srv, nil)
		_, err := r.run(t, typed(c.property), valued(1, c.value))
		must(t, err)
		if got := columns(t, srv, "A"); got != id+c.want {
			t.Errorf("%s with %s becomes %s", c.property, c.value, got)
		}
	}
}

func TestTypesThatCannotChange(t *testing.T) {
	for name, c := range map[string]struct {
		first, then, table string
		values             [2]string
		v, beside          *string
	}{
		"integer, then number": {`{"type":"integer"}`, `{"type":"number"}`, "V NUMBER(38,0), V__V2 NUMBER(38,9)", [2]string{"7", "7.25"}, nil, text("7.250000000")},
		"integer, then a number without digits behind the point": {`{"type":"integer"}`, `{"type":"number"}`, "V NUMBER(38,0)", [2]string{"7", "8.0"}, text("8"), nil},
		"number, then text":         {`{"type":"number"}`, `{"type":"string"}`, "V NUMBER(38,9), V__V2 VARCHAR(16777216)", [2]string{"7", `"x"`}, nil, text("x")},
		"number, then one too long": {`{"type":"number"}`, `{"type":"number"}`, "V NUMBER(38,9), V__V2 VARCHAR(16777216)", [2]string{"7", "123456789012345678901234567890.123456789"}, nil, text("123456789012345678901234567890.123456789")},
		"date-time, then infinity":  {`{"type":"string","format":"date-time"}`, `{"type":"string","format":"date-time"}`, "V TIMESTAMP_NTZ(9), V__V2 VARCHAR(16777216)", [2]string{`"2024-01-01T00:00:00Z"`, `"12345-01-01T00:00:00Z"`}, nil, text("12345-01-01T00:00:00")},
		"text, then integer":        {`{"type":"string"}`, `{"type":"integer"}`, "V VARCHAR(16777216)", [2]string{`"x"`, "5"}, text("5"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			srv := fake.Start(t)
			r := newRunner(t, srv, nil)
			_, err := r.run(t, typed(c.first), valued(1, c.values[0]))
			must(t, err)
			_, err = r.run(t, typed(c.then), valued(2, c.values[1]))
			must(t, err)
			if got := columns(t, srv, "A"); got != "ID NUMBER(38,0), "+c.table {
				t.Errorf("the table is %s", got)
			}
			for _, r := range rows(t, srv, "A") {
				if *r["ID"] == "2" && (!same(r["V"], c.v) || !same(r["V__V2"], c.beside)) {
					t.Errorf("the new row is %v, %v", show(r["V"]), show(r["V__V2"]))
				}
			}
		})
	}
}

func text(s string) *string { return &s }

func same(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

func show(s *string) string {
	if s == nil {
		return "NULL"
	}
	return *s
}

func TestTablesThatWereThere(t *testing.T) {
	srv := fake.Start(t)
	for _, sql := range []string{`CREATE SCHEMA RAW`, `CREATE TABLE RAW.A (ID NUMBER(10,0), V VARCHAR(3), F FLOAT)`} {
		if _, _, err := srv.Query(sql); err != nil {
			t.Fatal(err)
		}
	}
	r := newRunner(t, srv, map[string]any{"add_record_metadata": false})
	_, err := r.run(t, `{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":"integer"},"v":{"type":"string"},"f":{"type":"number"}}},"key_properties":["id"]}`,
		`{"type":"RECORD","stream":"a","record":{"id":12345678901,"v":"longer","f":0.30000000000000004}}`)
	must(t, err)
	if got := columns(t, srv, "A"); got != "ID NUMBER(38,0), V VARCHAR(16777216), F FLOAT" {
		t.Error(got)
	}
	r.config["on_schema_change"] = "freeze"
	_, err = r.run(t, typed(`{"type":"number"}`), valued(1, "1.5"), `{"type":"SCHEMA","stream":"b","schema":{"type":"object","properties":{"id":{"type":"integer"}}},"key_properties":[]}`)
	must(t, err)
	r.config["on_schema_change"] = "fail"
	if _, err = r.run(t, typed(`{"type":"object"}`), valued(1, "{}")); err == nil {
		must(t, nil)
	}
	_, err = r.run(t, `{"type":"SCHEMA","stream":"a","schema":{"type":"object","properties":{"id":{"type":"string"}}},"key_properties":["id"]}`, `{"type":"RECORD","stream":"a","record":{"id":"x"}}`)
	if fault.CodeOf(err) != fault.BadInput {
		t.Errorf("a key that changes its type: %v", err)
	}
}

var (
	identifier = regexp.MustCompile(`"((?:[^"]|"")*)"`)
	alters     = regexp.MustCompile(`^ALTER TABLE "[^;]*" (ADD COLUMN "|ALTER COLUMN "(?:[^"]|"")*" SET DATA TYPE (VARCHAR|NUMBER)\(|RENAME TO "|SWAP WITH ")`)
)

// valid holds statements against Snowflake's documented limits, which a fake
// may be too kind about.
func valid(t testing.TB, statements []string) {
	t.Helper()
	for _, sql := range statements {
		if strings.Contains(sql, ";") && !strings.Contains(sql, "'") {
			t.Errorf("several statements in one: %s", sql)
		}
		for _, m := range identifier.FindAllStringSubmatch(sql, -1) {
			if n := len([]rune(strings.ReplaceAll(m[1], `""`, `"`))); n > 255 || n == 0 && m[0] != `""` {
				t.Errorf("a name of %d characters: %.80s", n, sql)
			}
		}
		if strings.HasPrefix(sql, "ALTER") && !alters.MatchString(sql) {
			t.Errorf("not what ALTER can do: %s", sql)
		}
		if _, files, ok := strings.Cut(sql, "FILES = ("); ok && strings.Count(files[:strings.Index(files, ")")], "'") > 2*filesMost {
			t.Errorf("more than %d files: %.80s", filesMost, sql)
		}
		if len(sql) > 1<<20 {
			t.Errorf("a statement of %d bytes", len(sql))
		}
	}
}

func TestCopyOfManyFiles(t *testing.T) {
	var files []string
	for i := range 2500 {
		files = append(files, fmt.Sprintf("%08d.csv.zst", i))
	}
	got := copySQL(`"S"."T"`, "@S.X", files, "zstd", true)
	if len(got) != 3 {
		t.Errorf("%d statements for 2500 files", len(got))
	}
	valid(t, got)
	if one := copySQL(`"S"."T"`, "@S.X", files[:1], "gzip", false); one[0] != `COPY INTO "S"."T" FROM @S.X/00000000.csv.zst FILE_FORMAT = (TYPE = CSV COMPRESSION = GZIP FIELD_OPTIONALLY_ENCLOSED_BY = '"' ESCAPE_UNENCLOSED_FIELD = NONE NULL_IF = () EMPTY_FIELD_AS_NULL = TRUE) ON_ERROR = ABORT_STATEMENT` {
		t.Error(one[0])
	}
}

func TestMergeOfDeletesAndUnsetFields(t *testing.T) {
	schema := &row.Schema{Stream: "a", Key: []string{"id"}, Columns: []row.Column{column("id", row.Int64), column("n", row.Text), column("j", row.JSON)}}
	at := &table{Table: sqltarget.Table{Schema: "S", Name: "A"}}
	for name, c := range map[string]struct {
		w    wants
		set  map[string]any
		want string
	}{
		"plain": {wants{}, map[string]any{"add_record_metadata": false},
			`MERGE INTO "S"."A" d USING (SELECT "ID", "N", PARSE_JSON("J") AS "J" FROM L QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "_ELT_ROW" DESC) = 1) s ON d."ID" = s."ID" WHEN MATCHED THEN UPDATE SET "N" = s."N", "J" = s."J" WHEN NOT MATCHED THEN INSERT ("ID", "N", "J") VALUES (s."ID", s."N", s."J")`},
		"hard": {wants{deletes: true}, map[string]any{"add_record_metadata": false, "hard_delete": true},
			`MERGE INTO "S"."A" d USING (SELECT "ID", "N", PARSE_JSON("J") AS "J", "_ELT_OP" FROM L QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "_ELT_ROW" DESC) = 1) s ON d."ID" = s."ID" WHEN MATCHED AND s."_ELT_OP" = 2 THEN DELETE WHEN MATCHED AND s."_ELT_OP" <> 2 THEN UPDATE SET "N" = s."N", "J" = s."J" WHEN NOT MATCHED AND s."_ELT_OP" <> 2 THEN INSERT ("ID", "N", "J") VALUES (s."ID", s."N", s."J")`},
		"soft": {wants{deletes: true}, map[string]any{"add_record_metadata": false},
			`MERGE INTO "S"."A" d USING (SELECT "ID", "N", PARSE_JSON("J") AS "J", "_SDC_DELETED_AT", "_ELT_OP" FROM L QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "_ELT_ROW" DESC) = 1) s ON d."ID" = s."ID" WHEN MATCHED AND s."_ELT_OP" = 2 THEN UPDATE SET "_SDC_DELETED_AT" = s."_SDC_DELETED_AT" WHEN MATCHED AND s."_ELT_OP" <> 2 THEN UPDATE SET "N" = s."N", "J" = s."J", "_SDC_DELETED_AT" = s."_SDC_DELETED_AT" WHEN NOT MATCHED THEN INSERT ("ID", "N", "J", "_SDC_DELETED_AT") VALUES (s."ID", s."N", s."J", s."_SDC_DELETED_AT")`},
		"unset": {wants{masked: true}, map[string]any{"add_record_metadata": false},
			`MERGE INTO "S"."A" d USING (SELECT "ID", "N", PARSE_JSON("J") AS "J", "_ELT_OP", "_ELT_UNSET" FROM L WHERE "_ELT_SEGMENT" = 0 QUALIFY ROW_NUMBER() OVER (PARTITION BY "ID" ORDER BY "_ELT_ROW" DESC) = 1) s ON d."ID" = s."ID" WHEN MATCHED AND s."_ELT_OP" <> 2 THEN UPDATE SET "N" = CASE WHEN SUBSTR(s."_ELT_UNSET", 2, 1) = '1' THEN d."N" ELSE s."N" END, "J" = CASE WHEN SUBSTR(s."_ELT_UNSET", 3, 1) = '1' THEN d."J" ELSE s."J" END WHEN NOT MATCHED AND s."_ELT_OP" <> 2 THEN INSERT ("ID", "N", "J") VALUES (s."ID", s."N", s."J")`},
	} {
		l := planned(t, c.set, schema, c.w)
		if got := l.bring(at, "L", 0, c.set["hard_delete"] == true); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), c.want)
		}
	}
}

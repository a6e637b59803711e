package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"elt/internal/fake/snowflake/engine"
	"elt/internal/fake/snowflake/sql"
)

// session opens a session of a fresh engine.
func session(t testing.TB) *engine.Session {
	e := engine.New(t.TempDir(), time.Now)
	e.AddDatabase("DB")
	e.AddWarehouse("WH", true)
	s := e.NewSession(1, "ELT", "R", "WH", "DB", "PUBLIC", map[string]string{"TIMEZONE": "UTC"})
	s.Roles = []string{"R"}
	t.Cleanup(s.Close)
	return s
}

// run executes statements and gives the last one's rows as text: cells parted
// by |, rows by a line, NULL as ~.
func run(s *engine.Session, text string) (string, error) {
	results, err := s.Execute(context.Background(), engine.Request{Text: text, ID: fmt.Sprint(time.Now().UnixNano())})
	if err != nil {
		return "", err
	}
	res := results[len(results)-1]
	var lines []string
	for i := range res.Rows {
		cells := make([]engine.Value, len(res.Columns))
		res.Decode(i, cells)
		var parts []string
		for _, c := range cells {
			if x := c.Exact(); x == nil {
				parts = append(parts, "~")
			} else {
				parts = append(parts, x.(string))
			}
		}
		lines = append(lines, strings.Join(parts, "|"))
	}
	return strings.Join(lines, "\n"), nil
}

func number(err error) int {
	var e *sql.Error
	if errors.As(err, &e) {
		return e.Number
	}
	return -1
}

// Each case: statements, and what the last one gives: rows, or "!number".
func TestStatements(t *testing.T) {
	const fill = "CREATE TABLE t (k INT, v VARCHAR(5), n NUMBER(38,2)); INSERT INTO t VALUES (1,'a',1.5),(2,'b',2.5),(3,NULL,NULL),(3,'c',0.1); "
	for name, c := range map[string][2]string{
		"constants":                {"SELECT 1, 'it''s', TRUE, NULL, 1.50, -3, 'a\\nb', $$x'y$$", "1|it's|true|~|1.50|-3|a\nb|x'y"},
		"38 digits":                {"SELECT 99999999999999999999999999999999999999::NUMBER(38,0) - 1", "99999999999999999999999999999999999998"},
		"39 digits":                {"SELECT '100000000000000000000000000000000000000'::NUMBER(38,0)", "!100132"},
		"rounding":                 {"SELECT 2.345::NUMBER(10,2), -2.345::NUMBER(10,2), 1/3, 7 % 3, 10/4", "2.35|-2.35|0.333333|1|2.500000"},
		"division by zero":         {"SELECT 1/0", "!100051"},
		"group":                    {fill + "SELECT k, COUNT(*), SUM(n), MAX(v), COUNT(v) FROM t GROUP BY k ORDER BY k DESC", "3|2|0.10|c|1\n2|1|2.50|b|1\n1|1|1.50|a|1"},
		"group by alias":           {fill + "SELECT k % 2 AS odd, COUNT(*) FROM t GROUP BY odd ORDER BY 1", "0|1\n1|3"},
		"having":                   {fill + "SELECT k FROM t GROUP BY 1 HAVING COUNT(*) > 1", "3"},
		"not grouped":              {fill + "SELECT k, v FROM t GROUP BY k", "!979"},
		"nulls last and first":     {fill + "SELECT v FROM t ORDER BY v DESC LIMIT 2", "~\nc"},
		"join":                     {fill + "SELECT a.k, b.v FROM t a LEFT JOIN t b ON a.k = b.k AND b.v = 'c' ORDER BY 1, 2", "1|~\n2|~\n3|c\n3|c"},
		"full join using":          {"SELECT x.a, y.b FROM (VALUES (1),(2)) x(a) FULL OUTER JOIN (VALUES (2),(3)) y(b) ON x.a = y.b ORDER BY 1, 2", "1|~\n2|2\n~|3"},
		"cte and union":            {"WITH c AS (SELECT 1 AS a UNION ALL SELECT 2), d(b) AS (SELECT a + 1 FROM c) SELECT SUM(b) FROM d", "5"},
		"in sub-query":             {fill + "SELECT k FROM t WHERE v IN (SELECT v FROM t WHERE k < 3) ORDER BY k", "1\n2"},
		"correlated exists":        {fill + "SELECT DISTINCT k FROM t x WHERE EXISTS (SELECT 1 FROM t y WHERE y.k = x.k AND y.v IS NULL)", "3"},
		"scalar sub-query":         {fill + "SELECT (SELECT MAX(k) FROM t)", "3"},
		"qualify":                  {fill + "SELECT k, v FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY v NULLS LAST) = 1 ORDER BY k", "1|a\n2|b\n3|c"},
		"window sum":               {fill + "SELECT k, COUNT(*) OVER (PARTITION BY k) c FROM t QUALIFY c > 1", "3|2\n3|2"},
		"functions":                {"SELECT COALESCE(NULL, 2), IFF(1=1,'y','n'), NVL(NULL,'z'), GREATEST(1,2.5), EQUAL_NULL(NULL,NULL), UPPER('ä'), SUBSTR('hello',2,3), SPLIT_PART('a.b.c','.',2)", "2|y|z|2.5|true|Ä|ell|b"},
		"distinct from":            {"SELECT NULL IS NOT DISTINCT FROM NULL, 1 IS DISTINCT FROM NULL", "true|true"},
		"case":                     {"SELECT CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END, CASE WHEN FALSE THEN 1 END", "b|~"},
		"like":                     {"SELECT 'abc' LIKE 'a%', 'abc' ILIKE 'A_C', 'a_c' LIKE 'a^_c' ESCAPE '^', NULL LIKE 'a'", "true|true|true|~"},
		"timestamps":               {"SELECT '2024-02-29 12:34:56.123456789'::TIMESTAMP_NTZ, '2024-02-29T12:34:56.5+05:30'::TIMESTAMP_TZ, '2024-02-29'::DATE, '01:02:03.000000004'::TIME(9), '1969-12-31 23:59:59.5'::TIMESTAMP_NTZ(3)", "2024-02-29 12:34:56.123456789|2024-02-29 12:34:56.500000000 +05:30|2024-02-29|01:02:03.000000004|1969-12-31 23:59:59.500"},
		"same instant":             {"SELECT '2024-01-01T00:00:00Z'::TIMESTAMP_TZ = '2024-01-01T02:00:00+02:00'::TIMESTAMP_TZ", "true"},
		"bad date":                 {"SELECT '2023-02-29'::DATE", "!100040"},
		"bad timestamp":            {"SELECT 'x'::TIMESTAMP_NTZ", "!100035"},
		"try cast":                 {"SELECT TRY_CAST('x' AS INT), TRY_TO_DATE('2024-13-01'), TRY_CAST('12.5' AS NUMBER(4,1))", "~|~|12.5"},
		"bad number":               {"SELECT 'x'::INT", "!100038"},
		"variant":                  {`SELECT PARSE_JSON('{"b":{"c":[1,2.50,"x"]},"a":null}') v, v:b.c[1], v:b:c[2]::VARCHAR, v:a, v:nope, TYPEOF(v:b), v:"b"."c"[0]::INT + 1`, `{"a":null,"b":{"c":[1,2.5,"x"]}}|2.5|x|null|~|OBJECT|2`},
		"variant big number":       {`SELECT PARSE_JSON('12345678901234567890123456789012345678'), PARSE_JSON('{"a":12345678901234567.125}'):a`, "12345678901234567890123456789012345678|12345678901234567.125"},
		"bad json":                 {`SELECT PARSE_JSON('{')`, "!100069"},
		"binary":                   {"SELECT TO_BINARY('00ff'), 'ÿ'::VARCHAR", "00FF|ÿ"},
		"too long":                 {fill + "INSERT INTO t VALUES (1,'abcdef',0)", "!100078"},
		"number too large":         {"CREATE TABLE t (a NUMBER(3,1)); INSERT INTO t VALUES (100)", "!100132"},
		"not null":                 {"CREATE TABLE t (a INT NOT NULL); INSERT INTO t VALUES (NULL)", "!100072"},
		"defaults":                 {"CREATE TABLE t (a INT, b INT DEFAULT 7, c VARCHAR DEFAULT 'x'); INSERT INTO t (a) VALUES (1); SELECT * FROM t", "1|7|x"},
		"variant in values":        {"CREATE TABLE t (v VARIANT); INSERT INTO t VALUES (PARSE_JSON('1'))", "!2014"},
		"variant in select":        {"CREATE TABLE t (v VARIANT); INSERT INTO t SELECT PARSE_JSON('{\"a\":1}'); SELECT v:a FROM t", "1"},
		"text into variant":        {"CREATE TABLE t (v VARIANT); INSERT INTO t SELECT 'x'", "!2023"},
		"column count":             {fill + "INSERT INTO t VALUES (1)", "!2020"},
		"primary key not enforced": {"CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1),(1); SELECT COUNT(*) FROM t", "2"},
		"update":                   {fill + "UPDATE t SET v = 'z', n = k * 2 WHERE k = 3; SELECT v, n FROM t WHERE k = 3", "z|6.00\nz|6.00"},
		"update from":              {fill + "UPDATE t SET v = s.b FROM (VALUES (1,'q')) s(a,b) WHERE t.k = s.a; SELECT v FROM t WHERE k = 1", "q"},
		"delete using":             {fill + "DELETE FROM t USING (VALUES (3)) s(a) WHERE t.k = s.a; SELECT COUNT(*) FROM t", "2"},
		"merge":                    {fill + "MERGE INTO t d USING (SELECT 1 k, 'm' v, FALSE del UNION ALL SELECT 2, 'x', TRUE UNION ALL SELECT 9, 'new', FALSE) s ON d.k = s.k WHEN MATCHED AND s.del THEN DELETE WHEN MATCHED THEN UPDATE SET d.v = s.v WHEN NOT MATCHED AND NOT s.del THEN INSERT (k, v) VALUES (s.k, s.v); SELECT k, v, n FROM t ORDER BY k, v", "1|m|1.50\n3|c|0.10\n3|~|~\n9|new|~"},
		"merge counts":             {fill + "MERGE INTO t USING (SELECT 1 k UNION SELECT 8) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = 'u' WHEN NOT MATCHED THEN INSERT (k) VALUES (s.k)", "1|1"},
		"merge duplicate":          {fill + "MERGE INTO t USING (SELECT 1 k UNION ALL SELECT 1) s ON t.k = s.k WHEN MATCHED THEN UPDATE SET v = 'u'", "!100090"},
		"merge null keys":          {fill + "MERGE INTO t USING (SELECT NULL::VARCHAR v) s ON EQUAL_NULL(t.v, s.v) WHEN MATCHED THEN UPDATE SET k = 0; SELECT COUNT(*) FROM t WHERE k = 0", "1"},
		"add column":               {fill + "ALTER TABLE t ADD COLUMN IF NOT EXISTS z DATE, IF NOT EXISTS k INT; ALTER TABLE t ADD q INT DEFAULT 4; SELECT z, q FROM t LIMIT 1", "~|4"},
		"drop and rename":          {fill + "ALTER TABLE t DROP COLUMN v; ALTER TABLE t RENAME COLUMN n TO \"n n\"; INSERT INTO t VALUES (7, 7); SELECT * FROM t WHERE k = 7", "7|7.00"},
		"widen text":               {fill + "ALTER TABLE t ALTER COLUMN v SET DATA TYPE VARCHAR(50); INSERT INTO t (v) VALUES ('abcdef'); SELECT COUNT(*) FROM t WHERE LENGTH(v) = 6", "1"},
		"narrow text":              {fill + "ALTER TABLE t ALTER COLUMN v SET DATA TYPE VARCHAR(2)", "!2108"},
		"number to text":           {fill + "ALTER TABLE t ALTER COLUMN k SET DATA TYPE VARCHAR", "!2108"},
		"change scale":             {fill + "ALTER TABLE t ALTER COLUMN n SET DATA TYPE NUMBER(38,3)", "!2108"},
		"swap":                     {fill + "CREATE TABLE u LIKE t; INSERT INTO u (k) VALUES (42); ALTER TABLE t SWAP WITH u; SELECT k FROM t", "42"},
		"clone":                    {fill + "CREATE TABLE u CLONE t; DELETE FROM t; SELECT COUNT(*) FROM u", "4"},
		"create as":                {fill + "CREATE TABLE u AS SELECT k, COUNT(*) AS c FROM t GROUP BY k; SELECT SUM(c) FROM u", "4"},
		"exists already":           {fill + "CREATE TABLE t (a INT)", "!2002"},
		"if not exists":            {fill + "CREATE TABLE IF NOT EXISTS t (a INT)", "T already exists, statement succeeded."},
		"or replace":               {fill + "CREATE OR REPLACE TABLE t (a INT); SELECT COUNT(*) FROM t", "0"},
		"drop if exists":           {"DROP TABLE IF EXISTS nothing", "Drop statement executed successfully (NOTHING already dropped)."},
		"drop missing":             {"DROP TABLE nothing", "!2003"},
		"truncate":                 {fill + "TRUNCATE TABLE t; SELECT COUNT(*) FROM t", "0"},
		"truncate rolled back":     {fill + "BEGIN; TRUNCATE TABLE t; ROLLBACK; SELECT COUNT(*) FROM t", "4"},
		"temporary hides":          {fill + "CREATE TEMP TABLE t (a INT); SELECT COUNT(*) FROM t; DROP TABLE t; SELECT COUNT(*) FROM t", "4"},
		"rollback":                 {fill + "BEGIN; DELETE FROM t; ROLLBACK; SELECT COUNT(*) FROM t", "4"},
		"reserved word":            {"CREATE TABLE order (a INT)", "!1003"},
		"quoted names":             {`CREATE TABLE "order" ("select" INT, "a""b" INT, "ü 😀" INT); INSERT INTO "order" VALUES (1,2,3); SELECT "a""b", "ü 😀" FROM "order"`, "2|3"},
		"case folds":               {`CREATE TABLE Mixed (Id INT); INSERT INTO MIXED VALUES (5); SELECT "ID" FROM "MIXED"`, "5"},
		"case matters quoted":      {`CREATE TABLE "mixed" (a INT); SELECT * FROM mixed`, "!2003"},
		"ignore case":              {`ALTER SESSION SET QUOTED_IDENTIFIERS_IGNORE_CASE = TRUE`, "Statement executed successfully."},
		"255 characters":           {`CREATE TABLE "` + strings.Repeat("x", 255) + `" (a INT); SHOW PRIMARY KEYS`, ""},
		"256 characters":           {`CREATE TABLE "` + strings.Repeat("x", 256) + `" (a INT)`, "!1969"},
		"qualified":                {"CREATE SCHEMA s2; CREATE TABLE db.s2.t (a INT); INSERT INTO db.s2.t VALUES (1); SELECT db.s2.t.a, t.a FROM db.s2.t", "1|1"},
		"ambiguous":                {fill + "SELECT k FROM t a JOIN t b ON a.k = b.k", "!2028"},
		"unknown column":           {fill + "SELECT nope FROM t", "!904"},
		"unknown function":         {"SELECT NO_SUCH_FUNCTION(1)", "!2"},
		"unknown statement":        {"GRANT SELECT ON t TO ROLE r", "!2"},
		"describe":                 {"CREATE TABLE t (a NUMBER(10,2) NOT NULL, b TIMESTAMP_TZ, c VARIANT COMMENT 'hi', PRIMARY KEY (a)); DESC TABLE t", "A|NUMBER(10,2)|COLUMN|N|~|Y|N|~|~|~|~|~\nB|TIMESTAMP_TZ(9)|COLUMN|Y|~|N|N|~|~|~|~|~\nC|VARIANT|COLUMN|Y|~|N|N|~|~|hi|~|~"},
		"information schema":       {fill + "SELECT column_name, data_type, numeric_scale FROM information_schema.columns WHERE table_name = 'T' AND table_schema = 'PUBLIC' ORDER BY ordinal_position", "K|NUMBER|0\nV|TEXT|~\nN|NUMBER|2"},
		"comment":                  {fill + "COMMENT ON COLUMN t.k IS 'key'; SELECT comment FROM information_schema.columns WHERE column_name = 'K'", "key"},
		"view":                     {fill + "CREATE VIEW w AS SELECT k FROM t WHERE k < 3; SELECT SUM(k) FROM w", "3"},
		"result scan":              {"SHOW TABLES LIKE 'nothing'; SELECT COUNT(*) FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))", "0"},
		"exclude":                  {fill + "SELECT * EXCLUDE (n) FROM t WHERE k = 1", "1|a"},
		"listagg":                  {fill + "SELECT LISTAGG(v, ',') WITHIN GROUP (ORDER BY v DESC) FROM t", "c,b,a"},
		"flow of nulls":            {"SELECT NULL + 1, NULL = NULL, NULL AND FALSE, NULL OR TRUE, NOT NULL::BOOLEAN", "~|~|false|true|~"},
		"lateral alias":            {"SELECT 2 AS a, a * 3 AS b, b + 1", "2|6|7"},
		"semi-structured key":      {`SELECT OBJECT_CONSTRUCT('b', 1, 'a', NULL), ARRAY_CONSTRUCT(1, 'x', NULL)`, `{"b":1}|[1,"x",null]`},
		"floats":                   {"SELECT 1.5::DOUBLE, 'NaN'::FLOAT, 'inf'::FLOAT, 1e100", "1.5|NaN|inf|1e100"},
		"values order":             {"SELECT * FROM VALUES (2,'b'),(1,'a') ORDER BY column1", "1|a\n2|b"},
		"insert overwrite":         {fill + "INSERT OVERWRITE INTO t SELECT 9, 'o', 1; SELECT k FROM t", "9"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := run2(session(t), c[0])
			if err != nil {
				if want := fmt.Sprintf("!%d", number(err)); want != c[1] {
					t.Fatalf("%s\n%v", c[0], err)
				}
				return
			}
			if got != c[1] {
				t.Fatalf("%s\n got %q\nwant %q", c[0], got, c[1])
			}
		})
	}
}

// run2 executes the statements of a text one request each.
func run2(s *engine.Session, text string) (out string, err error) {
	list, err := sql.Parse(text, sql.ParseOptions{})
	if err != nil {
		return "", err
	}
	for _, st := range list {
		if out, err = run(s, strings.TrimSuffix(st.Text, ";")); err != nil {
			return "", err
		}
	}
	return out, nil
}

package foreign

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"testing"

	"elt/internal/pgtest"
)

const (
	pypiTapPostgres    = "meltanolabs-tap-postgres==0.10.0"
	pypiTargetPostgres = "meltanolabs-target-postgres==0.8.1"
	pypiTargetJSONL    = "target-jsonl==0.1.4"
)

// source is a table with a key, decimals, dates, text of all sorts and NULLs.
const source = `
create schema shop;
create table shop.orders (
	id bigint primary key, customer text not null, total numeric(12,2), big numeric,
	placed date, at timestamptz, paid boolean, note text);
insert into shop.orders values
	(1, 'Ada', 12.50, 12345678901234567890.123, '2024-02-29', '2024-02-29 12:34:56.789+02', true, ''),
	(2, 'Łukasz "the" O''Neil', 0.00, null, null, null, null, null),
	(3, E'two\nlines, a comma and 😀', -99999999.99, 0.000000001, '1969-12-31', '1999-12-31 23:59:59+00', false, '\N');
insert into shop.orders select n, 'c' || n, n * 1.01, n, date '2020-01-01' + n % 1000, timestamptz '2020-01-01Z' + n * interval '1 minute', n % 2 = 0, null
	from generate_series(4, 2000) n;`

// The columns that every pair must deliver alike. big is left out where the
// foreign side rounds decimals itself.
const compared = `id, customer, total, placed, paid, note`

func login(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("host: %s\n      port: %s\n      user: %s\n      password: unused\n      database: %s",
		u.Hostname(), u.Port(), u.User.Username(), strings.TrimPrefix(u.Path, "/"))
}

// project writes a meltano.yml with one extractor and one loader.
func project(t *testing.T, tap, tapConfig, target, targetConfig string) string {
	t.Helper()
	dir := t.TempDir()
	plugin := func(kind, nameAndExecutable, config string) string {
		name, executable, _ := strings.Cut(nameAndExecutable, " ")
		text := "  " + kind + ":\n  - name: " + name + "\n    namespace: " + strings.ReplaceAll(name, "-", "_") + "\n"
		if executable != "" {
			text += "    executable: " + executable + "\n"
		}
		if kind == "extractors" {
			text += "    capabilities: [catalog, discover, state]\n"
		}
		return text + "    config:\n      " + config + "\n"
	}
	write(t, dir, "meltano.yml", "default_environment: dev\nenvironments:\n- name: dev\nplugins:\n"+
		plugin("extractors", tap, tapConfig)+plugin("loaders", target, targetConfig))
	return dir
}

func mustRun(t *testing.T, dir string, args ...string) result {
	t.Helper()
	r := command(t, dir, []string{"NO_COLOR=1"}, nil, append([]string{elt}, args...)...)
	if r.code != 0 {
		t.Fatalf("elt %s: exit %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return r
}

func TestTapPostgresFromPyPIIntoOurTargets(t *testing.T) {
	bin := venv(t, pypiTapPostgres)
	from := &postgres{url: pgtest.URL(t)}
	from.exec(t, source)
	want := from.query(t, "select id, customer, total, placed, note from shop.orders order by id")
	for _, d := range destinations(t) {
		t.Run(d.name(), func(t *testing.T) {
			config := "database: " + filepath.Join(t.TempDir(), "out.db")
			if p, ok := d.(*postgres); ok {
				config = login(t, p.url) + "\n      default_target_schema: melty"
			} else {
				config = "database: " + d.(*sqlite).path
			}
			dir := project(t, "tap-postgres "+filepath.Join(bin, "tap-postgres"), login(t, from.url)+"\n      filter_schemas: [shop]\n    select: [shop-orders.*]", "target-"+d.name(), config)
			for range 2 { // the second run doubles nothing
				mustRun(t, dir, "run", "tap-postgres", "target-"+d.name())
				got := d.query(t, "select id, customer, total, placed, note from "+d.table("orders")+" order by id")
				compare(t, got, want)
			}
		})
	}
}

// A plugin of the SDK takes the logging file of the run: its lines have our
// level, and JSON ones their fields.
func TestTapPostgresFromPyPILogsAsItIsTold(t *testing.T) {
	bin := venv(t, pypiTapPostgres)
	from := &postgres{url: pgtest.URL(t)}
	from.exec(t, source)
	dir := project(t, "tap-postgres "+filepath.Join(bin, "tap-postgres"), login(t, from.url)+"\n      filter_schemas: [shop]\n    select: [shop-orders.*]", "target-jsonl", "destination_path: .")
	plain := mustRun(t, dir, "run", "tap-postgres", "target-jsonl").stderr
	raw, err := os.ReadFile(filepath.Join(dir, "meltano.yml"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "meltano.yml", strings.Replace(string(raw), "discover, state]", "discover, state, structured-logging]", 1))
	structured := mustRun(t, dir, "run", "tap-postgres", "target-jsonl").stderr
	for what, said := range map[string]string{"plain": plain, "structured": structured} {
		line := regexp.MustCompile(`(?m)^\S+ INF tap-postgres \| Beginning sync of 'shop-orders' in full_table mode$`).FindString(said)
		if line == "" || strings.Contains(said, "| INFO ") || strings.Contains(said, "METRIC") {
			t.Errorf("%s: it says\n%s", what, said)
		}
	}
}

func TestOurTapsIntoTargetJSONLFromPyPI(t *testing.T) {
	bin := venv(t, pypiTargetJSONL)
	from := &postgres{url: pgtest.URL(t)}
	from.exec(t, source)
	t.Run("tap-postgres", func(t *testing.T) {
		dir := project(t, "tap-postgres", login(t, from.url)+"\n      filter_schemas: [shop]\n    select: [shop-orders.*]", "target-jsonl "+filepath.Join(bin, "target-jsonl"), "destination_path: .\n      do_timestamp_file: false")
		mustRun(t, dir, "run", "tap-postgres", "target-jsonl")
		compare(t, jsonl(t, dir, "id", "customer", "total", "placed", "paid", "note"), from.query(t, "select id, customer, total::float8, placed, paid::text, note from shop.orders order by id"))
	})
	t.Run("tap-csv", func(t *testing.T) {
		dir := project(t, "tap-csv", "files:\n      - {entity: orders, path: orders.csv, keys: [id]}", "target-jsonl "+filepath.Join(bin, "target-jsonl"), "destination_path: .\n      do_timestamp_file: false")
		write(t, dir, "orders.csv", "id,customer,note\n1,Ada,\n2,\"a \"\"quote\"\"\nand a line\",x\n")
		mustRun(t, dir, "run", "tap-csv", "target-jsonl")
		compare(t, jsonl(t, dir, "id", "customer", "note"), [][]string{{"1", "Ada", ""}, {"2", "a \"quote\"\nand a line", "x"}})
	})
}

func TestOurTapsIntoTargetPostgresFromPyPI(t *testing.T) {
	bin := venv(t, pypiTargetPostgres)
	from, to := &postgres{url: pgtest.URL(t)}, &postgres{url: pgtest.URL(t)}
	from.exec(t, source)
	config := login(t, to.url) + "\n      default_target_schema: melty"
	t.Run("tap-postgres", func(t *testing.T) {
		dir := project(t, "tap-postgres", login(t, from.url)+"\n      filter_schemas: [shop]\n    select: [shop-orders.*]", "target-postgres "+filepath.Join(bin, "target-postgres"), config)
		mustRun(t, dir, "run", "tap-postgres", "target-postgres")
		compare(t, to.query(t, `select `+compared+` from melty.orders order by id`), from.query(t, `select `+compared+` from shop.orders order by id`))
	})
	t.Run("tap-csv", func(t *testing.T) {
		dir := project(t, "tap-csv", "files:\n      - {entity: people, path: people.csv, keys: [id]}", "target-postgres "+filepath.Join(bin, "target-postgres"), config)
		write(t, dir, "people.csv", "id,customer\n1,Ada\n2,\"two\nlines\"\n")
		mustRun(t, dir, "run", "tap-csv", "target-postgres")
		compare(t, to.query(t, `select id, customer from melty.people order by id`), [][]string{{"1", "Ada"}, {"2", "two\nlines"}})
	})
}

// jsonl reads the one .jsonl file of dir, sorted by number of the first property.
func jsonl(t *testing.T, dir string, properties ...string) [][]string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if len(files) != 1 {
		t.Fatalf("there are %d .jsonl files", len(files))
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for s := bufio.NewScanner(bytes.NewReader(content)); s.Scan(); {
		d := json.NewDecoder(bytes.NewReader(s.Bytes()))
		d.UseNumber()
		record := map[string]any{}
		if err := d.Decode(&record); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, p := range properties {
			switch v := record[p].(type) {
			case nil:
				line = append(line, null)
			default:
				line = append(line, strings.TrimSuffix(fmt.Sprint(v), "T00:00:00+00:00"))
			}
		}
		out = append(out, line)
	}
	sort.SliceStable(out, func(i, j int) bool {
		return len(out[i][0]) < len(out[j][0]) || len(out[i][0]) == len(out[j][0]) && out[i][0] < out[j][0]
	})
	return out
}

// compare compares rows as text; numbers by value, since Python prints 12.5 for 12.50.
func compare(t *testing.T, got, want [][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows arrived, want %d", len(got), len(want))
	}
	for i := range want {
		for j := range want[i] {
			g, w := plain(got[i][j]), plain(want[i][j])
			if !reflect.DeepEqual(g, w) {
				t.Fatalf("row %d, column %d is %q, want %q", i, j, got[i][j], want[i][j])
			}
		}
	}
}

// plain makes different spellings of one number, truth value or day the same text.
func plain(v string) string {
	switch v {
	case "t", "true":
		return "true"
	case "f", "false":
		return "false"
	}
	for _, midnight := range []string{"T00:00:00Z", " 00:00:00", "T00:00:00"} { // Z: as Go's SQLite driver prints a day
		v = strings.TrimSuffix(v, midnight)
	}
	if strings.Contains(v, ".") && strings.Trim(v, "-.0123456789") == "" {
		v = strings.TrimSuffix(strings.TrimRight(v, "0"), ".")
	}
	return v
}

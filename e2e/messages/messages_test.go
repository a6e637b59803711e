package messages

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"elt/cmd"
	"elt/internal/pgtest"
)

// asElt makes this test binary behave as elt.
const asElt = "ELT_TEST_IS_ELT"

func TestMain(m *testing.M) {
	if os.Getenv(asElt) != "" {
		os.Exit(cmd.Main())
	}
	os.Setenv(asElt, "1")
	os.Exit(pgtest.Main(m))
}

func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		scripts, err := parse(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		theme := strings.TrimSuffix(filepath.Base(file), ".txt")
		for _, s := range scripts {
			t.Run(theme+"/"+s.title, func(t *testing.T) {
				t.Parallel()
				for name, open := range map[string]func(*testing.T) database{"postgres": openPostgres, "sqlite": openSQLite} {
					if s.only == "" || s.only == name {
						t.Run(name, func(t *testing.T) { newPlayer(t, s, open(t)).play() })
					}
				}
			})
		}
	}
}

// player plays one script into one destination.
type player struct {
	*testing.T
	script *script
	db     database
	dir    string
	expand *strings.Replacer // $DIR and what the database knows
	config map[string]any
	env    []string
	args   []string
	last   result
	outs   []string // STATE lines that the script listed after the last run
	ran    bool
}

type result struct {
	code           int
	stdout, stderr string
}

func newPlayer(t *testing.T, s *script, db database) *player {
	p := &player{T: t, script: s, db: db, dir: t.TempDir(), config: db.config()}
	p.expand = strings.NewReplacer(append(db.names(), "$DIR", p.dir, "$LONG", incompressible, "$KILO", incompressible[:1000])...)
	for name, text := range map[string]string{
		"one.jsonl": `{"id":1,"v":"one"}`, "two.jsonl": `{"id":2,"v":"two"}` + "\n" + `{"id":3,"v":"two"}` + "\n",
		"three.jsonl.gz": zipped(`{"id":4,"v":"three"}` + "\n"), "in.singer": "{\"type\":\"SCHEMA\",\"stream\":\"a\",\"schema\":{\"properties\":{\"id\":{\"type\":\"integer\"}}},\"key_properties\":[\"id\"]}\n{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":{\"id\":1}}\n{\"type\":\"STATE\",\"value\":{\"x\":1}}\n",
		"more.json": `{"add_record_metadata":false}`, "windowed.json": `{"state_id":"window","windowed":true}`,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// incompressible is a text of 9000 bytes.
var incompressible = func() string {
	var b strings.Builder
	for i := range 9000 / 4 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		b.WriteString(hex.EncodeToString(sum[:2]))
	}
	return b.String()
}()

func zipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func (p *player) play() {
	for _, st := range p.script.steps {
		p.step(st)
	}
	p.settle()
}

func (p *player) wrong(st step, format string, args ...any) {
	p.Helper()
	p.Errorf("%s:%d: %s", p.script.file, st.line, fmt.Sprintf(format, args...))
}

func (p *player) step(st step) {
	arg := p.expand.Replace(st.arg)
	switch st.verb {
	case "config":
		var more map[string]any
		if err := json.Unmarshal([]byte(arg), &more); err != nil {
			p.Fatalf("%s:%d: %v", p.script.file, st.line, err)
		}
		maps.Copy(p.config, more)
		maps.DeleteFunc(p.config, func(_ string, v any) bool { return v == nil })
	case "env":
		p.env = append(p.env, arg)
	case "args":
		p.args = strings.Fields(arg)
	case "sql":
		p.db.exec(p.T, p.query(arg))
	case "ok", "fails":
		p.run(st)
	case "says":
		text, err := strconv.Unquote(arg)
		if err != nil {
			p.Fatalf("%s:%d: %v", p.script.file, st.line, err)
		}
		if !strings.Contains(p.last.stderr, text) {
			p.wrong(st, "it does not say %q:\n%s", text, p.last.stderr)
		}
	case "out":
		p.outs = append(p.outs, arg)
	case "?":
		p.compare(st, arg)
	case "pg?", "lite?":
		if p.db.name() == map[string]string{"pg?": "postgres", "lite?": "sqlite"}[st.verb] {
			p.compare(st, arg)
		}
	case "types":
		if p.db.name() == "postgres" {
			schema, table, _ := strings.Cut(p.table(arg), ".")
			p.compare(st, fmt.Sprintf(`select attname || ' ' || format_type(atttypid, atttypmod) from pg_attribute
				where attrelid = '%s.%s'::regclass and attnum > 0 and not attisdropped and attname not like '\_sdc%%' order by attnum`, schema, strings.ReplaceAll(table, "'", "''")))
		}
	}
}

// run plays the input that a step has gathered.
func (p *player) run(st step) {
	p.settle()
	path := filepath.Join(p.dir, "config.json")
	raw, err := json.Marshal(p.config)
	if err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		p.Fatal(err)
	}
	args := []string{"target", "target-" + p.db.name(), "--config", path}
	args = append(args, p.args...)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], args...)
	var out, talk bytes.Buffer
	input := []byte(p.expand.Replace(string(st.input)))
	child.Dir, child.Stdin, child.Stdout, child.Stderr = p.dir, bytes.NewReader(input), &out, &talk
	child.Env = append(os.Environ(), p.env...)
	if err := child.Run(); err != nil && child.ProcessState == nil {
		p.Fatal(err)
	}
	p.last, p.ran = result{child.ProcessState.ExitCode(), out.String(), talk.String()}, true
	if st.verb == "ok" {
		if p.last.code != 0 {
			p.Fatalf("%s:%d: exit %d:\n%s", p.script.file, st.line, p.last.code, p.last.stderr)
		}
		return
	}
	code, text, _ := strings.Cut(st.arg, " ")
	if code != strconv.Itoa(p.last.code) {
		p.wrong(st, "exit %d, want %s:\n%s", p.last.code, code, p.last.stderr)
	}
	if text == "" {
		return
	}
	if text, err = strconv.Unquote(text); err != nil {
		p.Fatalf("%s:%d: %v", p.script.file, st.line, err)
	}
	if !strings.Contains(p.last.stderr, text) {
		p.wrong(st, "it does not say %q:\n%s", text, p.last.stderr)
	}
}

// settle compares the STATE lines of the last run with those listed, if any.
func (p *player) settle() {
	if p.ran && p.outs != nil {
		got := strings.FieldsFunc(p.last.stdout, func(c rune) bool { return c == '\n' })
		want := slices.DeleteFunc(p.outs, func(l string) bool { return l == "" })
		if !slices.Equal(got, want) {
			p.Errorf("%s:%d: printed %q, want %q", p.script.file, p.script.line, got, want)
		}
	}
	p.ran, p.outs = false, nil
}

func (p *player) compare(st step, q string) {
	p.Helper()
	var got []string
	for _, line := range p.db.query(p.T, p.query(q)) {
		for i := range line {
			line[i] = canonical(line[i])
		}
		got = append(got, strings.Join(line, "|"))
	}
	var want []string
	for _, w := range st.want {
		fields := strings.Split(w, "|")
		for i := range fields {
			fields[i] = canonical(fields[i])
		}
		want = append(want, strings.Join(fields, "|"))
	}
	if !slices.Equal(got, want) {
		p.wrong(st, "%s\n got %q\nwant %q", q, got, want)
	}
}

// query puts table names for {stream}.
func (p *player) query(q string) string {
	for {
		open := strings.Index(q, "{")
		if open < 0 {
			return q
		}
		length := strings.Index(q[open:], "}")
		q = q[:open] + p.table(q[open+1:open+length]) + q[open+length+1:]
	}
}

// table is {table} or {schema@table}.
func (p *player) table(name string) string {
	schema, table, found := strings.Cut(name, "@")
	if !found {
		schema, table = "", name
	}
	return p.db.table(schema, table)
}

// canonical makes JSON comparable: no spaces, sorted keys, numbers as they are.
func canonical(v string) string {
	if v == "" || v[0] != '{' && v[0] != '[' {
		return v
	}
	d := json.NewDecoder(strings.NewReader(v))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil || d.More() {
		return v
	}
	out, err := json.Marshal(value)
	if err != nil {
		return v
	}
	return string(out)
}

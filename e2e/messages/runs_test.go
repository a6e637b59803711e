package messages

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is a target that is fed line by line.
type process struct {
	*testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	talk  bytes.Buffer
}

// each plays into both databases.
func each(t *testing.T, f func(t *testing.T, db database)) {
	for name, open := range map[string]func(*testing.T) database{"postgres": openPostgres, "sqlite": openSQLite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, open(t))
		})
	}
}

// start runs the target through a link called like it, as `pip install` would leave it.
func start(t *testing.T, db database, settings map[string]any) *process {
	t.Helper()
	dir := t.TempDir()
	config := db.config()
	for k, v := range settings {
		config[k] = v
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path, link := filepath.Join(dir, "config.json"), filepath.Join(dir, "target-"+db.name())
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(os.Args[0], link); err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, cmd: exec.Command(link, "--config", path)}
	p.cmd.Stderr = &p.talk
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

// say writes short forms (see parse).
func (p *process) say(lines ...string) {
	p.Helper()
	for _, l := range lines {
		verb, arg, _ := strings.Cut(l, " ")
		text, err := message(verb, arg)
		if err != nil {
			p.Fatal(err)
		}
		if _, err := io.WriteString(p.stdin, text+"\n"); err != nil {
			p.Fatalf("%v\n%s", err, p.talk.String())
		}
	}
}

// state is the next line on stdout.
func (p *process) state() string {
	p.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.Fatalf("no STATE came: %v\n%s", err, p.talk.String())
	}
	return strings.TrimSuffix(line, "\n")
}

// end closes the input and returns what is left on stdout.
func (p *process) end() string {
	p.Helper()
	p.stdin.Close()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		p.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.Fatalf("%v\n%s", err, p.talk.String())
	}
	return string(rest)
}

func count(t *testing.T, db database, q string) int {
	t.Helper()
	n, err := strconv.Atoi(db.query(t, q)[0][0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

const twoColumns = `schema a {"id":{"type":"integer"},"v":{"type":"string"}} id`

// A tap that sends for hours: what is committed is acknowledged on the way,
// though the batch is not full.
func TestStatesComeWhileTheTapIsStillSending(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		p := start(t, db, map[string]any{"batch_max_age_seconds": 1})
		p.say(twoColumns, `record a {"id":1,"v":"x"}`, `state {"x":1}`)
		if got := p.state(); got != `{"x":1}` {
			t.Errorf("printed %q", got)
		}
		if n := count(t, db, `select count(*) from `+db.table("", "a")); n != 1 {
			t.Errorf("%d rows at its STATE", n)
		}
		p.say(`record a {"id":2,"v":"x"}`, `state {"x":2}`)
		if got := p.state(); got != `{"x":2}` {
			t.Errorf("printed %q", got)
		}
		if rest := p.end(); rest != "" {
			t.Errorf("printed %q at the end", rest)
		}
	})
}

// A target that is killed has committed every row before the last STATE it
// printed, and the next run needs no help.
func TestWhatAStatePromisedSurvivesAKill(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		p := start(t, db, map[string]any{"batch_size_rows": 100})
		p.say(twoColumns)
		const enough = 500
		last := 0
		go func() {
			for i := 1; ; i++ {
				if _, err := fmt.Fprintf(p.stdin, "{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":{\"id\":%d,\"v\":\"x\"}}\n{\"type\":\"STATE\",\"value\":{\"x\":%d}}\n", i, i); err != nil {
					return // it was killed
				}
			}
		}()
		for last < enough {
			var state struct{ X int }
			if err := json.Unmarshal([]byte(p.state()), &state); err != nil || state.X <= last {
				t.Fatalf("STATE %d after %d: %v", state.X, last, err)
			}
			last = state.X
		}
		p.cmd.Process.Kill()
		p.cmd.Wait()
		if n := count(t, db, fmt.Sprintf(`select count(*) from %s where id <= %d`, db.table("", "a"), last)); n != last {
			t.Errorf("%d of the %d rows that its STATE promised", n, last)
		}
		again := start(t, db, nil)
		again.say(twoColumns, `record a {"id":1,"v":"again"}`, `state {"x":1}`)
		if rest := again.end(); rest != "{\"x\":1}\n" {
			t.Errorf("printed %q", rest)
		}
		if n := count(t, db, `select count(*) from `+db.table("", "a")+` where v = 'again'`); n != 1 {
			t.Error("the next run did not load")
		}
	})
}

// SIGTERM: what a STATE covers is committed and acknowledged.
func TestATargetThatIsStoppedCommitsWhatAStateCovers(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		p := start(t, db, map[string]any{"batch_max_age_seconds": 1, "batch_size_rows": 1})
		p.say(twoColumns, `record a {"id":1,"v":"x"}`, `state {"x":1}`)
		if got := p.state(); got != `{"x":1}` {
			t.Errorf("printed %q", got)
		}
		p.cmd.Process.Signal(os.Interrupt)
		if err := p.cmd.Wait(); err == nil {
			t.Error("a stopped target exits 0")
		}
		if n := count(t, db, `select count(*) from `+db.table("", "a")); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

// Taps send the same SCHEMA before every page: it costs nothing and ends no batch.
func TestTheSameSchemaThousandsOfTimes(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		p := start(t, db, nil)
		const pages = 5000
		w := bufio.NewWriter(p.stdin)
		schema, _ := message("schema", strings.TrimPrefix(twoColumns, "schema "))
		for i := range pages {
			fmt.Fprintf(w, "%s\n{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":{\"id\":%d,\"v\":\"x\"}}\n", schema, i)
		}
		w.Flush()
		p.say(`state {"x":1}`)
		if rest := p.end(); rest != "{\"x\":1}\n" {
			t.Errorf("printed %q", rest)
		}
		if n := count(t, db, `select count(*) from `+db.table("", "a")); n != pages {
			t.Errorf("%d rows of %d", n, pages)
		}
	})
}

// One value of 100 MB, as text and inside of an object, arrives whole.
func TestALineOf100MB(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		p := start(t, db, nil)
		p.say(`schema a {"id":{"type":"integer"},"v":{"type":"string"},"o":{"type":"object"}} id`)
		const size = 100 << 20
		long := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		for _, part := range [][]byte{[]byte(`{"type":"RECORD","stream":"a","record":{"id":1,"v":"`), long, []byte(`","o":{"k":"`), long[:1<<20], []byte("\"}}}\n")} {
			if _, err := p.stdin.Write(part); err != nil {
				t.Fatalf("%v\n%s", err, p.talk.String())
			}
		}
		p.say(`record a {"id":2,"v":"short"}`)
		p.end()
		if n := count(t, db, `select length(v) from `+db.table("", "a")+` where id = 1`); n != size {
			t.Errorf("%d bytes of %d", n, size)
		}
		if n := count(t, db, `select count(*) from `+db.table("", "a")); n != 2 {
			t.Errorf("%d rows", n)
		}
	})
}

// Many streams at once, each in its table.
func TestThreeHundredStreams(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		p := start(t, db, map[string]any{"batch_size_rows": 3})
		const streams = 300
		for i := range streams {
			p.say(fmt.Sprintf(`schema s%d {"id":{"type":"integer"}} id`, i))
		}
		for n := range 5 {
			for i := range streams {
				p.say(fmt.Sprintf(`record s%d {"id":%d}`, i, n))
			}
		}
		p.say(`state {"x":1}`)
		if rest := p.end(); rest != "{\"x\":1}\n" {
			t.Errorf("printed %q", rest)
		}
		total := 0
		for i := range streams {
			total += count(t, db, `select count(*) from `+db.table("", fmt.Sprintf("s%d", i)))
		}
		if total != 5*streams {
			t.Errorf("%d rows of %d", total, 5*streams)
		}
	})
}

// Two runs into one table at the same time both arrive.
func TestTwoRunsIntoOneTable(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		first := start(t, db, nil)
		first.say(twoColumns, `record a {"id":0,"v":"x"}`)
		first.end()
		var both []*process
		for range 2 {
			both = append(both, start(t, db, map[string]any{"batch_size_rows": 10}))
		}
		done := make(chan error, 2)
		for n, p := range both {
			go func() {
				schema, _ := message("schema", strings.TrimPrefix(twoColumns, "schema "))
				fmt.Fprintln(p.stdin, schema)
				for i := range 200 {
					fmt.Fprintf(p.stdin, "{\"type\":\"RECORD\",\"stream\":\"a\",\"record\":{\"id\":%d,\"v\":\"%d\"}}\n", 1+i+n*100, n)
				}
				p.stdin.Close()
				io.Copy(io.Discard, p.out)
				done <- p.cmd.Wait()
			}()
		}
		for range both {
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("%v\n%s%s", err, both[0].talk.String(), both[1].talk.String())
				}
			case <-time.After(2 * time.Minute):
				t.Fatal("the runs wait for each other")
			}
		}
		if n := count(t, db, `select count(*) from `+db.table("", "a")); n != 301 {
			t.Errorf("%d rows of 301", n)
		}
	})
}

// A thousand columns arrive; more than PostgreSQL has room for are refused by name.
func TestAThousandColumns(t *testing.T) {
	each(t, func(t *testing.T, db database) {
		var properties, values []string
		for i := range 1000 {
			properties = append(properties, fmt.Sprintf(`"c%d":{"type":["null","string"]}`, i))
			values = append(values, fmt.Sprintf(`"c%d":"%d"`, i, i))
		}
		p := start(t, db, nil)
		p.say(`schema a {"id":{"type":"integer"},`+strings.Join(properties, ",")+`} id`, `record a {"id":1,`+strings.Join(values, ",")+`}`, `record a {"id":1,`+strings.Join(values, ",")+`}`)
		p.end()
		if got := db.query(t, `select c0, c999 from `+db.table("", "a")); len(got) != 1 || got[0][0] != "0" || got[0][1] != "999" {
			t.Errorf("%v", got)
		}
	})
}

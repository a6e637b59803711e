// Package e2e runs the binary as a user does: every script under scripts
// opens with one sentence on what a user sees. The scripts have elt, links
// to it that are connectors, and tap-chaos and target-chaos on their PATH.
package e2e

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/mattn/go-sqlite3"
	"github.com/rogpeppe/go-internal/testscript"

	"elt/cmd"
	"elt/e2e/chaos"
	"elt/internal/pgtest"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

// postgresMain stops the Postgres that the scripts started.
type postgresMain struct{ m *testing.M }

func (p postgresMain) Run() int { return pgtest.Main(p.m) }

func TestMain(m *testing.M) {
	elt := func() { os.Exit(cmd.Main()) }
	testscript.Main(postgresMain{m}, map[string]func(){
		"elt": elt, "meltano": elt, "tap-csv": elt, "target-jsonl": elt,
		"tap-chaos": chaos.Tap, "target-chaos": chaos.Target,
	})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for _, dir := range folders(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true, UpdateScripts: *update,
				Setup: func(env *testscript.Env) error {
					env.Values[testingKey{}] = env.T()
					env.Values[heldKey{}], env.Values[serverKey{}] = new(*pgx.Conn), new(*pgtest.Server)
					env.Setenv("HOME", env.WorkDir)
					env.Setenv("NO_COLOR", "1")
					env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, ".config"))
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"example": example,
					"pgdb":    postgres, "pg": pgQuery, "pghold": pgHold, "pgwait": pgWait, "loaded": loaded, "pgserver": pgServer, "sqlite": sqlite, "sqlitedo": sqliteDo,
					"newest": newest, "waitfor": waitFor, "signal": send, "strike": strike, "gone": gone, "count": count, "disk": disk, "canary": canary, "shape": shape,
					"jdbc": jdbc,
				},
			})
		})
	}
}

// folders are the folders that hold scripts: walked, so that none is forgotten.
func folders(t *testing.T) []string {
	var dirs []string
	seen := map[string]bool{}
	err := filepath.WalkDir("scripts", func(path string, d fs.DirEntry, err error) error {
		if dir := filepath.Dir(path); err == nil && strings.HasSuffix(path, ".txtar") && !seen[dir] {
			seen[dir] = true
			dirs = append(dirs, dir)
		}
		return err
	})
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return dirs
}

// jdbc: jdbc NAME skips the script where there is no JDK or no driver jar of
// that name as Debian's packages install them, and fails it in CI, which has
// them; $JAR is the jar's path.
func jdbc(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jdbc NAME")
	}
	path := filepath.Join("/usr/share/java", args[0]+".jar")
	_, noFile := os.Stat(path)
	_, noJava := exec.LookPath("javac")
	if err := errors.Join(noFile, noJava); err != nil {
		if os.Getenv("CI") != "" {
			ts.Fatalf("scripts/need jdbc should have installed it: %v", err)
		}
		ts.Value(testingKey{}).(testing.TB).Skipf("tap-jdbc cannot be tried here: %v", err)
	}
	ts.Setenv("JAR", path)
}

// postgres: pgdb NAME makes a fresh database and puts its address into $NAME.
func postgres(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pgdb NAME")
	}
	ts.Setenv(args[0], pgtest.URL(ts.Value(testingKey{}).(testing.TB)))
}

// testingKey finds the script's test, which has a *testing.T inside.
type testingKey struct{}

// sqlite: sqlite FILE QUERY prints rows, fields joined by |, for cmp stdout.
func sqlite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sqlite FILE QUERY")
	}
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0])+"?mode=ro")
	ts.Check(err)
	defer db.Close()
	rows, err := db.Query(args[1])
	ts.Check(err)
	defer rows.Close()
	columns, err := rows.Columns()
	ts.Check(err)
	for rows.Next() {
		values, refs := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			refs[i] = &values[i]
		}
		ts.Check(rows.Scan(refs...))
		texts := make([]string, len(values))
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			if v != nil {
				texts[i] = fmt.Sprint(v)
			}
		}
		fmt.Fprintln(ts.Stdout(), strings.Join(texts, "|"))
	}
	ts.Check(rows.Err())
}

// waitFor: waitfor FILE, until it is there.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if !inTime(func() bool { _, err := os.Stat(ts.MkAbs(args[0])); return (err == nil) != neg }) {
		ts.Fatalf("waited %s for %s", patience, args[0])
	}
}

// patience is how long scripts wait for something before they give it up: what
// takes a moment takes long on a busy machine.
const patience = 3 * time.Minute

// inTime waits until something is so, and says whether that came to pass.
func inTime(ok func() bool) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}

// send: signal TERM|INT|KILL|STOP|CONT [NAME] to the background command whose
// program is NAME, else to all.
func send(ts *testscript.TestScript, neg bool, args []string) {
	for _, c := range ts.BackgroundCmds() {
		if len(args) == 1 || filepath.Base(c.Args[0]) == args[1] {
			ts.Check(c.Process.Signal(signals[args[0]]))
		}
	}
}

var signals = map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT,
	"KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}

// gone: gone PIDFILE, the process is no more, or soon (a zombie is none: in a
// container nobody may reap it).
func gone(ts *testscript.TestScript, neg bool, args []string) {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	over := func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		return err != nil || strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
	}
	if !inTime(over) {
		ts.Fatalf("process %d of %s still runs after %s", pid, args[0], patience)
	}
}

// count: count FILE N, the number of lines (0: empty or missing).
func count(ts *testscript.TestScript, neg bool, args []string) {
	raw, err := os.ReadFile(ts.MkAbs(args[0]))
	if err != nil && !os.IsNotExist(err) {
		ts.Check(err)
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := strings.Count(string(raw), "\n"); (got == want) == neg {
		ts.Fatalf("%s has %d lines", args[0], got)
	}
}

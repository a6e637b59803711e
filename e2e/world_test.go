package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"elt/internal/pgtest"
)

// What scripts do to the world around elt: databases, servers, disks,
// processes.

func connect(ts *testscript.TestScript, url string) *pgx.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	ts.Check(err)
	return conn
}

// pgQuery: pg URL SQL prints rows, fields joined by |, or runs a statement.
func pgQuery(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pg URL SQL")
	}
	ctx := context.Background()
	conn := connect(ts, args[0])
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, args[1], pgx.QueryExecModeSimpleProtocol)
	ts.Check(err)
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		ts.Check(err)
		texts := make([]string, len(values))
		for i, v := range values {
			if v != nil {
				texts[i] = fmt.Sprint(v)
			}
		}
		fmt.Fprintln(ts.Stdout(), strings.Join(texts, "|"))
	}
	ts.Check(rows.Err())
}

// pgHold: pghold URL SQL leaves a transaction open, as a run that died on
// another machine does; pghold end gives it up.
func pgHold(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	held := ts.Value(heldKey{}).(**pgx.Conn)
	switch {
	case len(args) == 1 && args[0] == "end":
		ts.Check((*held).Close(ctx))
	case len(args) == 2:
		conn := connect(ts, args[0])
		ts.Defer(func() { conn.Close(ctx) })
		*held = conn
		_, err := conn.Exec(ctx, "begin; "+args[1])
		ts.Check(err)
	default:
		ts.Fatalf("usage: pghold URL SQL | pghold end")
	}
}

type heldKey struct{}

// pgWait: pgwait URL TEXT, until a statement with that text waits for a lock.
func pgWait(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	conn := connect(ts, args[0])
	defer conn.Close(ctx)
	waits := func() (waits bool) {
		ts.Check(conn.QueryRow(ctx, "select count(*) > 0 from pg_stat_activity where wait_event_type = 'Lock' and query like $1",
			"%"+args[1]+"%").Scan(&waits))
		return waits
	}
	if !inTime(waits) {
		ts.Fatalf("in %s no statement on %s waited for a lock", patience, args[1])
	}
}

// loaded: loaded FILE QUERY VALUE, until the database answers so.
func loaded(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0])+"?mode=ro&_busy_timeout=10000")
	ts.Check(err)
	defer db.Close()
	var got string
	if !inTime(func() bool { return db.QueryRow(args[1]).Scan(&got) == nil && got == args[2] }) {
		ts.Fatalf("%s later %q is still %s", patience, args[1], got)
	}
}

// pgServer: pgserver NAME starts a server of the script's own and puts its
// address into $NAME; pgserver stop and pgserver start break and mend it.
func pgServer(ts *testscript.TestScript, neg bool, args []string) {
	server := ts.Value(serverKey{}).(**pgtest.Server)
	switch {
	case len(args) != 1:
		ts.Fatalf("usage: pgserver NAME|stop|start")
	case args[0] == "stop":
		(*server).Stop()
	case args[0] == "start":
		(*server).Start()
	default:
		*server = pgtest.NewServer(ts.Value(testingKey{}).(testing.TB))
		ts.Setenv(args[0], (*server).URL())
	}
}

type serverKey struct{}

// sqliteDo: sqlitedo FILE SQL changes a database.
func sqliteDo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sqlitedo FILE SQL")
	}
	db, err := sql.Open("sqlite3", "file:"+ts.MkAbs(args[0])+"?mode=rw&_busy_timeout=10000")
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[1])
	ts.Check(err)
}

// strike: strike TERM|KILL|STOP|CONT TEXT sends a signal to the processes
// that work in the script's folder and have the text in their arguments.
func strike(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: strike SIGNAL TEXT")
	}
	root, hit := ts.MkAbs("."), false
	found, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range found {
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		raw, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		cmdline := strings.ReplaceAll(string(raw), "\x00", " ")
		var pid int
		fmt.Sscanf(filepath.Base(dir), "%d", &pid)
		if pid == os.Getpid() || !strings.HasPrefix(cwd, root) || !strings.Contains(cmdline, args[1]) {
			continue
		}
		hit = true
		ts.Check(syscall.Kill(pid, signals[args[0]]))
	}
	if !hit {
		ts.Fatalf("no process has %q in its arguments", args[1])
	}
}

// disk: disk FOLDER SIZE mounts a file system of that size there; where there
// is one already it gets that size, or with "ro" becomes read-only.
func disk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: disk FOLDER SIZE|ro")
	}
	folder := ts.MkAbs(args[0])
	if args[1] == "ro" {
		ts.Check(syscall.Mount("elt-test", folder, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
		return
	}
	var there syscall.Statfs_t
	if err := syscall.Statfs(folder, &there); err == nil && there.Type == tmpfs {
		ts.Check(syscall.Mount("elt-test", folder, "tmpfs", syscall.MS_REMOUNT, "size="+args[1]))
		return
	}
	ts.Check(os.MkdirAll(folder, 0o755))
	if err := syscall.Mount("elt-test", folder, "tmpfs", 0, "size="+args[1]+",mode=755"); err != nil {
		ts.Value(testingKey{}).(testing.TB).Skipf("no disk of its own for this test (root may mount one): %v", err)
	}
	ts.Defer(func() { syscall.Unmount(folder, syscall.MNT_DETACH) })
}

const tmpfs = 0x01021994

// example: example NAME puts the project examples/NAME into the working directory.
func example(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: example NAME")
	}
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), os.DirFS(filepath.Join("..", "examples", args[0]))))
}

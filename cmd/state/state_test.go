package state

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/state"
	"elt/state/sqlite"
)

// shell runs commands against one store.
type shell struct {
	t       *testing.T
	store   state.Store
	environ []string
	err     *bytes.Buffer
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &shell{t: t, store: s}
}

// run gives standard output and the error of one command line.
func (s *shell) run(in string, args ...string) (string, error) {
	s.t.Helper()
	streams, out, err := cli.Test(in)
	s.err = err
	app := &cli.App{
		IO: streams, Global: &cli.Global{}, Environ: s.environ,
		Store: func(context.Context) (state.Store, error) { return s.store, nil },
	}
	if args[0] == "--json" {
		app.Global.JSON, args = true, args[1:]
	}
	cmd := NewCmd(app)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	failed := cmd.ExecuteContext(s.t.Context())
	return out.String(), failed
}

func (s *shell) ok(in string, args ...string) string {
	s.t.Helper()
	out, err := s.run(in, args...)
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return out
}

func (s *shell) want(want string, args ...string) {
	s.t.Helper()
	if got := s.ok("", args...); got != want {
		s.t.Fatalf("%v: %q, want %q", args, got, want)
	}
}

const one, two = `{"singer_state":{"n":1}}`, `{"singer_state":{"n":2}}`

func TestSetGetMergeCopyMoveClear(t *testing.T) {
	s := newShell(t)
	s.ok("", "set", "--force", "a:b", `{"singer_state": {"bookmarks": {"u": {"last": 1}}, "n": 9007199254740993}}`)
	s.ok("", "merge", "a:b", `{"singer_state": {"bookmarks": {"u": {"page": 2}}}}`)
	const merged = `{"singer_state":{"bookmarks":{"u":{"last":1,"page":2}},"n":9007199254740993}}` + "\n"
	s.want(merged, "get", "a:b")
	s.ok("", "copy", "--force", "a:b", "second")
	s.ok("", "move", "--force", "second", "third")
	s.want("a:b\nthird\n", "list")
	s.want("a:b\n", "list", "--pattern", "a*")
	s.want(merged, "get", "third")
	s.ok("", "merge", "fresh", "--from-state-id", "third")
	s.want(merged, "get", "fresh")
	s.ok("", "clear", "--force", "a:b")
	s.want("{}\n", "get", "a:b")
	s.want("{}\n", "get", "nosuch")
	s.want("{\n  \"singer_state\": {\n    \"n\": 1\n  }\n}\n", prepend(s, "get", "--format", "pretty", "p")...)
	s.ok("", "clear", "--force", "--all")
	s.want("", "list")
	s.want("[]\n", "--json", "list")
}

func prepend(s *shell, args ...string) []string {
	s.ok("", "set", "--force", args[len(args)-1], one)
	return args
}

// Without --force what overwrites asks; anything but yes changes nothing.
func TestPrompts(t *testing.T) {
	s := newShell(t)
	s.ok("y\n", "set", "a", one)
	s.ok("", "set", "--force", "b", two)
	for _, answer := range []string{"n\n", "", "\n", "yess\n"} {
		for _, args := range [][]string{{"set", "a", two}, {"clear", "a"}, {"clear", "--all"}, {"copy", "b", "a"}, {"move", "b", "a"}} {
			if _, err := s.run(answer, args...); fault.CodeOf(err) != fault.Failed {
				t.Fatalf("%q to %v: %v", answer, args, err)
			}
		}
	}
	s.want(one+"\n", "get", "a")
	s.want(two+"\n", "get", "b")
	s.ok("YES\n", "clear", "a")
	s.want("b\n", "list")
}

func TestWrongInput(t *testing.T) {
	s := newShell(t)
	s.ok("", "set", "--force", "dev:tap-x-to-target-y", one)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"singer_state", []string{"set", "--force", "a", `{"n":1}`}},
		{"no state", []string{"set", "--force", "a", `{`}},
		{"singer_state", []string{"set", "--force", "dev:tap-x-to-target-y", `{}`}},
		{"singer_state", []string{"merge", "dev:tap-x-to-target-y", `null`}},
		{"no state", []string{"set", "--force", "a", "--no-validate", `[1]`}},
		{"either", []string{"set", "--force", "a"}},
		{"no file /nowhere", []string{"set", "--force", "a", "--input-file", "/nowhere"}},
		{"cannot read", []string{"set", "--force", "a", "--input-file", "/"}},
		{`did you mean "dev:tap-x-to-target-y"`, []string{"copy", "--force", "dev:tap-x-to-target-z", "b"}},
		{"both state ids", []string{"move", "--force", "a", "a"}},
		{"one state id, or --all", []string{"clear", "--force"}},
		{"no earlier revision", []string{"rollback", "--force", "dev:tap-x-to-target-y"}},
		{"no revision 99", []string{"rollback", "--force", "dev:tap-x-to-target-y", "--to", "99"}},
		{"no history", []string{"diff", "none"}},
		{"no revision", []string{"diff", "dev:tap-x-to-target-y", "x"}},
	} {
		_, err := s.run("", c.args...)
		if err == nil || !strings.Contains(fault.Render(err), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	s.want("dev:tap-x-to-target-y\n", "list")
	s.ok("", "set", "--force", "a", "--no-validate", `{"n":5}`)
	s.want(`{"singer_state":{"n":5}}`+"\n", "get", "a")
}

func TestInputFile(t *testing.T) {
	s := newShell(t)
	file := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(file, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ok("", "set", "--force", "a", "--input-file", file)
	s.want(one+"\n", "get", "a")
	s.ok(two, "merge", "a", "--input-file", "-")
	s.want(two+"\n", "get", "a")
}

// Invariant 7.
func TestHistoryDiffRollback(t *testing.T) {
	s := newShell(t)
	for _, v := range []string{`{"singer_state":{"bookmarks":{"u":{"last":1.0},"o":1}}}`, `{"singer_state":{"bookmarks":{"u":{"last":1},"p":[2]}}}`} {
		s.ok("", "set", "--force", "a", v)
	}
	s.want("- bookmarks.o: 1\n+ bookmarks.p: [2]\n", "diff", "a")
	var history []state.Revision
	if err := json.Unmarshal([]byte(s.ok("", "--json", "history", "a")), &history); err != nil || len(history) != 2 {
		t.Fatalf("%v, %v", history, err)
	}
	table := s.ok("", "history", "a")
	if lines := strings.Split(strings.TrimSpace(table), "\n"); len(lines) != 3 || !strings.Contains(lines[1], "bookmarks.o and 1 more") || !strings.Contains(lines[2], "everything") {
		t.Fatal(table)
	}
	s.ok("", "clear", "--force", "a")
	s.ok("", "rollback", "--force", "a")
	s.want(`{"singer_state":{"bookmarks":{"u":{"last":1},"p":[2]}}}`+"\n", "get", "a")
	s.ok("", "rollback", "--force", "a", "--to", fmt.Sprint(history[1].ID))
	s.want(`{"singer_state":{"bookmarks":{"u":{"last":1.0},"o":1}}}`+"\n", "get", "a")
	if b, err := s.store.Bookmark(t.Context(), "a"); err != nil || b.Edit != 5 {
		t.Fatalf("each is an edit that the destination learns of: %+v, %v", b, err)
	}
	s.want("+ bookmarks.o: 1\n- bookmarks.p: [2]\n", "diff", "a", fmt.Sprint(history[0].ID))
}

func TestEdit(t *testing.T) {
	s := newShell(t)
	s.ok("", "set", "--force", "a", one)
	s.environ = []string{"EDITOR=sed -i s/1/7/"}
	s.ok("", "edit", "a")
	s.want(`{"singer_state":{"n":7}}`+"\n", "get", "a")
	s.environ = []string{"EDITOR=true"}
	s.ok("", "edit", "a")
	if h, _ := s.store.History(t.Context(), "a", 0); len(h) != 2 {
		t.Fatalf("looking is no change: %+v", h)
	}
	for _, editor := range []string{"false", "sed -i s/7/}/", "/nowhere"} {
		s.environ = []string{"VISUAL=" + editor, "EDITOR=true"}
		if _, err := s.run("", "edit", "a"); err == nil {
			t.Errorf("%s: no error", editor)
		}
	}
	s.want(`{"singer_state":{"n":7}}`+"\n", "get", "a")
}

func TestRunUnderWayIsSaid(t *testing.T) {
	s := newShell(t)
	if err := s.store.StartRun(t.Context(), state.Run{ID: "run-1", StateID: "a", Status: state.Running, Started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.ok("", "set", "--force", "a", one)
	if !strings.Contains(s.err.String(), "run-1") {
		t.Fatalf("%q", s.err)
	}
	s.ok("", "set", "--force", "b", one)
	if strings.Contains(s.err.String(), "warning") {
		t.Fatalf("%q", s.err)
	}
}

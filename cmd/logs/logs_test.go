package logs

import (
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

func TestLogs(t *testing.T) {
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	run := func(args ...string) (string, error) {
		streams, out, _ := cli.Test("")
		app := &cli.App{IO: streams, Global: &cli.Global{}, Store: func(context.Context) (state.Store, error) { return store, nil }}
		if args[0] == "--json" {
			app.Global.JSON, args = true, args[1:]
		}
		cmd := NewCmd(app)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		failed := cmd.ExecuteContext(t.Context())
		return out.String(), failed
	}
	ok := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	if _, err := run("show"); fault.CodeOf(err) != fault.Failed {
		t.Fatalf("nothing to show: %v", err)
	}
	if out := ok("list") + ok("--json", "list"); out != "[]\n" {
		t.Fatalf("%q", out)
	}
	began := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 3 {
		r := state.Run{
			ID: fmt.Sprintf("0198-%d", i), StateID: fmt.Sprint("id", i%2), Name: "tap-x target-y", Status: state.Running,
			Started: began.Add(time.Duration(i) * time.Hour), LogPath: filepath.Join(dir, fmt.Sprint(i, ".log")),
		}
		if err := os.WriteFile(r.LogPath, fmt.Appendf(nil, "run %d\nline 2\nline 3\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := store.StartRun(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			ended := r.Started.Add(1500 * time.Millisecond)
			r.Status, r.Unconfirmed, r.Ended, r.Streams = state.Succeeded, true, &ended, []state.StreamStats{{Rows: 40}, {Rows: 2}}
			if err := store.FinishRun(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(ok("list")), "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], "0198-2") || !strings.Contains(lines[1], "running") {
		t.Fatalf("%q", lines)
	}
	for _, want := range []string{"2024-01-02T03:04:05Z", "succeeded, unconfirmed", "tap-x target-y", "id0", "42", "1.5", "0198-0"} {
		if !strings.Contains(lines[3], want) {
			t.Errorf("%q lacks %q", lines[3], want)
		}
	}
	var runs []state.Run
	if err := json.Unmarshal([]byte(ok("--json", "list", "id0", "--limit", "1")), &runs); err != nil || len(runs) != 1 || runs[0].ID != "0198-2" {
		t.Fatalf("%+v, %v", runs, err)
	}
	for want, args := range map[string][]string{
		"run 2\nline 2\nline 3\n": {"show"}, "run 1\nline 2\nline 3\n": {"show", "0198-1"}, "line 3\n": {"show", "0198-0", "--tail", "1"},
	} {
		if got := ok(args...); got != want {
			t.Errorf("%v: %q", args, got)
		}
	}
	var one state.Run
	if err := json.Unmarshal([]byte(ok("--json", "show", "0198-0")), &one); err != nil || one.ExitCode != 0 || len(one.Streams) != 2 {
		t.Fatalf("%+v, %v", one, err)
	}
	os.Remove(filepath.Join(dir, "1.log"))
	for want, args := range map[string][]string{"no run": {"show", "x"}, "3 runs begin": {"show", "0198"}, "1.log": {"show", "0198-1"}} {
		if _, err := run(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

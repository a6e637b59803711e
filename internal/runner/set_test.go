package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/state"
)

const tenRows = `{records: {stream: s, to: 10, state_every: 2}}`

func TestRunAndResume(t *testing.T) {
	b := newBench(t, `{steps: [`+tenRows+`]}`, `{path: out.jsonl}`)
	rep, err := b.run(t)
	must(t, err)
	if b.lines(t, "out.jsonl") != 10 || rep.Status != state.Succeeded || rep.Unconfirmed || len(rep.Streams) != 1 || rep.Streams[0].Rows != 10 {
		t.Errorf("%+v", rep)
	}
	if got := string(b.store.bookmarks[id].Completed); got != `{"bookmarks":{"s":{"id":10}}}` {
		t.Error(got)
	}
	if string(rep.Streams[0].Bookmark) != `{"id":10}` {
		t.Errorf("%s", rep.Streams[0].Bookmark)
	}
	if shape := b.store.streams["s"]; len(shape.Fingerprint) != 16 || !strings.HasPrefix(string(shape.Shape), `{"columns":[{"name":"id","type":"integer`) {
		t.Errorf("%+v %s", shape, shape.Shape)
	}
	if run := b.store.runs[rep.RunID]; run.Status != state.Succeeded || run.Ended == nil || len(run.Streams) != 1 {
		t.Errorf("%+v", run)
	}
	if b.store.leases[id].holder != nil {
		t.Error("the lease is not given back")
	}
	rep, err = b.run(t)
	must(t, err)
	if b.lines(t, "out.jsonl") != 10 || len(rep.Streams) != 0 && rep.Streams[0].Rows != 0 {
		t.Errorf("the second run repeated rows: %+v", rep)
	}
	left, err := filepath.Glob(filepath.Join(b.dir, ".meltano", "run", "elt", "*", "*"))
	if err != nil || len(left) != 0 {
		t.Error("run folders are left behind:", left)
	}
}

// Invariant 5: what went wrong first is the cause.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		tap, target string
		says        string
		acked       string
	}{
		"the tap dies":           {`{steps: [` + tenRows + `, {stderr: {text: "ERROR out of luck"}}, {exit: 3}]}`, `{}`, "tap-chaos failed: exit code 3", `{"bookmarks":{"s":{"id":10}}}`},
		"the target dies":        {`{steps: [` + tenRows + `, {wait: never}]}`, `{exit_after: 5, exit: 4}`, "target-chaos failed: exit code 4", `{"bookmarks":{"s":{"id":2}}}`},
		"the target ends early":  {`{steps: [` + tenRows + `, {wait: never}]}`, `{exit_after: 4}`, "target-chaos ended before its input did", `{"bookmarks":{"s":{"id":2}}}`},
		"a half line":            {`{steps: [{partial: '{"type":"REC'}, {exit: 1}]}`, `{}`, "tap-chaos failed", ``},
		"no program":             {`{steps: []}`, `{}`, "target-nosuch", ``},
		"the target fails later": {`{steps: [` + tenRows + `]}`, `{exit: 2}`, "target-chaos failed: exit code 2", `{"bookmarks":{"s":{"id":10}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, c.tap, c.target)
			if name == "no program" {
				must(t, os.Remove(filepath.Join(b.dir, "target-chaos")))
				c.says = "plugin target-chaos cannot be started"
			}
			rep, err := b.run(t)
			if err == nil {
				t.Fatalf("succeeded: %+v", rep)
			}
			contains(t, "the error", err.Error(), c.says)
			if got := string(b.store.bookmarks[id].Completed); got != c.acked {
				t.Errorf("bookmark %s", got)
			}
			if rep.Status != state.Failed || rep.Cause == "" {
				t.Errorf("%+v", rep)
			}
			if run := b.store.runs[rep.RunID]; name != "no program" && (run.Status != state.Failed || !strings.Contains(run.Cause, c.says)) {
				t.Errorf("%+v", run)
			}
		})
	}
}

// Invariant 5: what the target does not confirm is not a bookmark.
func TestUnconfirmed(t *testing.T) {
	for kind, note := range map[string]string{"never": "did not confirm", "lie": "invented", "empty": "empty state"} {
		b := newBench(t, `{steps: [`+tenRows+`]}`, `{state: `+kind+`}`)
		must(t, b.store.EditBookmark(t.Context(), id, "set", []byte(`{"bookmarks":{"s":{"id":5}}}`), nil))
		rep, err := b.run(t)
		must(t, err)
		if !rep.Unconfirmed || !b.store.runs[rep.RunID].Unconfirmed {
			t.Errorf("%s: %+v", kind, rep)
		}
		contains(t, kind, strings.Join(rep.Notes, "\n"), note)
		if got := string(b.store.bookmarks[id].Completed); got != `{"bookmarks":{"s":{"id":5}}}` {
			t.Errorf("%s: bookmark %s", kind, got)
		}
	}
}

func TestFullRefreshMergesAndIsAnEdit(t *testing.T) {
	b := newBench(t, `{steps: [`+tenRows+`]}`, `{path: out.jsonl}`)
	must(t, b.store.EditBookmark(t.Context(), id, "set", []byte(`{"bookmarks":{"s":{"id":7},"other":{"id":1}}}`), nil))
	b.FullRefresh = true
	_, err := b.run(t)
	must(t, err)
	if n := b.lines(t, "out.jsonl"); n != 10 {
		t.Errorf("%d rows: the tap got the old state", n)
	}
	have := b.store.bookmarks[id]
	merged, err := singer.Merge(have.Completed, have.Partial)
	must(t, err)
	if !singer.EqualJSON(merged, []byte(`{"bookmarks":{"s":{"id":10},"other":{"id":1}}}`)) || have.Edit != 2 {
		t.Errorf("%s, edit %d", merged, have.Edit)
	}
}

func TestNoStateUpdate(t *testing.T) {
	b := newBench(t, `{steps: [`+tenRows+`]}`, `{path: out.jsonl}`)
	must(t, b.store.EditBookmark(t.Context(), id, "set", []byte(`{"bookmarks":{"s":{"id":7}}}`), nil))
	b.NoStateUpdate = true
	_, err := b.run(t)
	must(t, err)
	if n := b.lines(t, "out.jsonl"); n != 3 {
		t.Errorf("%d rows: the tap did not get the state", n)
	}
	if got := string(b.store.bookmarks[id].Completed); got != `{"bookmarks":{"s":{"id":7}}}` {
		t.Error(got)
	}
}

// While the store is away loading goes on and bookmarks wait (invariant 6).
func TestStoreAwayDuringARun(t *testing.T) {
	b := newBench(t, `{steps: [{touch: started}, {wait: go}, `+tenRows+`]}`, `{path: out.jsonl, touch: loading, wait: back}`)
	finish := b.begin(t, t.Context(), "started")
	b.store.setAway(errors.New("connection refused"))
	b.touch(t, "go")
	for range 1000 {
		if _, err := os.Stat(filepath.Join(b.dir, "loading")); err == nil {
			break
		}
	}
	b.store.setAway(nil)
	b.touch(t, "back")
	_, err := finish()
	must(t, err)
	if got := string(b.store.bookmarks[id].Completed); got != `{"bookmarks":{"s":{"id":10}}}` {
		t.Error(got)
	}
}

func TestStoreThatStaysAwayFailsTheRun(t *testing.T) {
	b := newBench(t, `{steps: [{touch: started}, {wait: go}, `+tenRows+`]}`, `{path: out.jsonl}`)
	b.LeaseTTL = 100e6
	finish := b.begin(t, t.Context(), "started")
	b.store.setAway(errors.New("connection refused"))
	b.touch(t, "go")
	_, err := finish()
	if fault.CodeOf(err) != fault.StoreAway || b.lines(t, "out.jsonl") != 10 {
		t.Error(err)
	}
}

// --force runs beside a running one, which ends well but keeps no bookmark.
func TestForce(t *testing.T) {
	b := newBench(t, `{steps: [{touch: started}, {wait: go}, {emit: {type: STATE, value: {n: first}}}], again: [{emit: {type: STATE, value: {n: second}}}]}`, `{}`)
	finish := b.begin(t, t.Context(), "started")
	second := *b.Runner
	second.Force = true
	other := &bench{Runner: &second, dir: b.dir, store: b.store}
	if _, err := other.run(t); err != nil {
		t.Error(err)
	}
	b.touch(t, "go")
	rep, err := finish()
	must(t, err)
	if !rep.Unconfirmed || string(b.store.bookmarks[id].Completed) != `{"n":"second"}` {
		t.Errorf("%+v, bookmark %s", rep, b.store.bookmarks[id].Completed)
	}
}

func TestStopped(t *testing.T) {
	b := newBench(t, `{steps: [`+tenRows+`, {touch: started}, {hang: true}]}`, `{path: out.jsonl}`)
	ctx, cancel := context.WithCancelCause(t.Context())
	finish := b.begin(t, ctx, "started")
	cancel(errors.New("stopped by a test"))
	rep, err := finish()
	if err == nil || rep.Status != state.Cancelled || b.store.runs[rep.RunID].Status != state.Cancelled {
		t.Fatalf("%v, %+v", err, rep)
	}
	contains(t, "the error", err.Error(), "stopped by a test")
	if got := string(b.store.bookmarks[id].Completed); got != `{"bookmarks":{"s":{"id":10}}}` {
		t.Errorf("what was confirmed before is not kept: %s", got)
	}
}

// Invariant 10: secrets stand in files of ours alone, and nowhere else.
func TestSecrets(t *testing.T) {
	b := newBench(t, `{password: "s3cret-pass", steps: [{stderr: {text: "ERROR login with s3cret-pass failed"}}, {touch: started}, {wait: go}, {exit: 1}]}`, `{}`)
	finish := b.begin(t, t.Context(), "started")
	var configs int
	err := filepath.WalkDir(filepath.Join(b.dir, ".meltano", "run"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if d.IsDir() && info.Mode().Perm()&0o077 != 0 || !d.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.HasSuffix(path, "config.json") {
			configs++
		}
		return err
	})
	must(t, err)
	if configs != 2 {
		t.Errorf("%d configuration files", configs)
	}
	for _, p := range processes(t, b.dir) {
		if strings.Contains(p, "s3cret") {
			t.Errorf("a command line has the secret: %s", p)
		}
	}
	b.touch(t, "go")
	rep, err := finish()
	if err == nil {
		t.Fatal("succeeded")
	}
	raw, err := os.ReadFile(rep.LogPath)
	must(t, err)
	if strings.Contains(string(raw), "s3cret-pass") || !strings.Contains(string(raw), "login with ***") {
		t.Errorf("the run's log: %s", raw)
	}
	if info, err := os.Stat(rep.LogPath); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("the log file is open to others")
	}
	if cause := b.store.runs[rep.RunID].Cause; strings.Contains(cause, "s3cret") {
		t.Error(cause)
	}
}

// Whatever a cause or a note is made of, the store gets it without secrets.
func TestRecordsHaveNoSecret(t *testing.T) {
	b := newBench(t, `{}`, `{}`)
	b.Redactor.Add("s3cret-pass")
	plan, err := b.Project.Plan([]string{"tap-chaos", "target-chaos"}, project.PlanOptions{})
	must(t, err)
	s := &set{Runner: b.Runner, plan: plan.Blocks[0].Set, report: &BlockReport{
		Cause: "no login with s3cret-pass", Notes: []string{"s3cret-pass is wrong"},
		Plugins: []PluginReport{{Name: "tap-chaos", Reason: "s3cret-pass"}},
	}}
	kept := s.record()
	if text := kept.Cause + string(kept.Detail); strings.Contains(text, "s3cret") || strings.Count(text, "***") != 3 {
		t.Error(text)
	}
}

// processes are the command lines of what runs in dir.
func processes(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	must(t, err)
	var out []string
	for _, path := range found {
		raw, _ := os.ReadFile(path)
		if line := strings.ReplaceAll(string(raw), "\x00", " "); strings.Contains(line, dir) {
			out = append(out, line)
		}
	}
	if len(out) < 2 {
		t.Errorf("the plugins are not among the processes: %v", out)
	}
	return out
}

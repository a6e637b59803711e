package daemon

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/pgtest"
	"elt/state/postgres"
)

// A daemon shows and follows the log of a run on another machine, which shares
// nothing with it but the store: while it goes on, and after its end.
func TestLogOnAnotherMachine(t *testing.T) {
	uri := pgtest.URL(t)
	here, there := newProject(t, ""), newProject(t, "")
	for _, w := range []*world{here, there} {
		text, err := os.ReadFile(filepath.Join(w.dir, "elt.yml"))
		if err != nil {
			t.Fatal(err)
		}
		w.write("elt.yml", "project_id: shared\n"+string(text))
		w.env = []string{"ELT_DATABASE_URI=" + uri}
	}
	s, err := postgres.Open(t.Context(), postgres.Options{URI: uri})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	here.store, there.store = s, s
	there.write("hang", "")
	there.write("tap.sh", strings.Replace(tap, "echo begun", "echo 'a word from afar' >&2\necho begun", 1))
	there.daemon("--role", "worker")
	t.Setenv("ELT_DATABASE_URI", uri) // for the token
	api := here.server("--role", "api")

	d := api.run(202, "POST", "/runs", `{"job":"load"}`)
	there.begun(1)
	lines := bufio.NewScanner(api.request("GET", "/runs/"+d.ID+"/logs", "", "Accept: text/event-stream").Body)
	until := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended without %q", text)
	}
	until("a word from afar")
	until(`"bottleneck":"tap-slow"`)
	there.remove("hang")
	until("event: end")
	if out, talk, code := api.elt("logs", "show", d.ID); code != 0 || !strings.Contains(out, "a word from afar") {
		t.Errorf("%d\n%s\n%s", code, out, talk)
	}
	file, err := os.Stat(filepath.Join(there.dir, ".elt", "logs", "elt", "executions", d.ID+".log"))
	if size, gone := s.LogSize(t.Context(), d.ID); err != nil || gone != nil || size != file.Size() {
		t.Errorf("the copy has %d bytes, the log %v: %v, %v", size, file, err, gone)
	}
	if found, _ := filepath.Glob(filepath.Join(here.dir, ".elt", "logs", "elt", "executions", "*")); len(found) != 0 {
		t.Errorf("the log is a file here: %v", found)
	}
}

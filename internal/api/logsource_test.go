package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"sync"
	"testing"

	"elt/state"
)

// ship stores a part of a log, as the worker on another machine does.
func (w *world) ship(id string, start int64, text string) int64 {
	w.t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(text)); err != nil {
		w.t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		w.t.Fatal(err)
	}
	p := state.LogPart{Start: start, Size: int64(len(text)), Gzip: packed.Bytes()}
	if err := w.store.AddLogPart(w.t.Context(), id, "worker", p, 1<<40, 0); err != nil {
		w.t.Fatal(err)
	}
	return start + p.Size
}

func texts(lines []LogLine) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Text)
	}
	return strings.Join(all, ",")
}

// The log of a run on another machine is read and followed from the store.
func TestLogOfAnotherMachine(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	e, err := w.store.Begin(t.Context(), id, "worker")
	if err != nil {
		t.Fatal(err)
	}
	path := "/api/v1/runs/" + id + "/logs"
	w.want(200, "GET", "/api/v1/schedules", "") // secrets of the project are known from now on
	s := w.follow(path)                         // before there is anything
	end := w.ship(id, 0, logged("info", "one")+"\n"+logged("info", "two")+"\n")
	at, _, data := s.next()
	if !strings.Contains(data, `"text":"one"`) {
		t.Fatal(data)
	}
	s.Body.Close()
	s = w.follow(path, "Last-Event-ID: "+at) // the cut one goes on
	if _, _, data := s.next(); !strings.Contains(data, `"text":"two"`) {
		t.Fatal(data)
	}
	end = w.ship(id, end, logged("info", "three")+"\n")
	if _, _, data := s.next(); !strings.Contains(data, `"text":"three"`) {
		t.Fatal(data)
	}
	// The end of the log is there before the end of the run.
	end = w.ship(id, end, logged("error", "four canary-pass-0003")+"\nno end")
	e.Status = state.Failed
	if err := w.store.End(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if _, _, data := s.next(); !strings.Contains(data, `"text":"four`) {
		t.Fatal(data)
	}
	if _, event, _ := s.next(); event != "end" {
		t.Fatal(event)
	}
	page := into[LogPage](t, w.want(200, "GET", path, ""))
	if got := texts(page.Items); got != "one,two,three,four ***" || page.Size != end {
		t.Errorf("%s %+v", got, page)
	}
	if got := texts(into[LogPage](t, w.want(200, "GET", path+"?tail=3&limit=1", "")).Items); got != "three" {
		t.Error(got)
	}
	w.writeLog(id, "of a run that was handed back") // shorter than the copy
	if got := texts(into[LogPage](t, w.want(200, "GET", path+"?limit=1", "")).Items); got != "one" {
		t.Error(got)
	}
	if n := len(w.server.copies.byID); n != 0 {
		t.Errorf("%d copies are held", n)
	}
}

// What the store has left out is said in its place.
func TestLogWithAGap(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	if _, err := w.store.Begin(t.Context(), id, "worker"); err != nil {
		t.Fatal(err)
	}
	w.ship(id, 0, "one\ntwo\n")
	w.ship(id, 1<<30, "nine\nten\n")
	path := "/api/v1/runs/" + id + "/logs"
	page := into[LogPage](t, w.want(200, "GET", path, ""))
	if got := texts(page.Items); got != "one,two,here 1048576 KiB of the log are left out; all of it is on the machine of its worker,nine,ten" ||
		page.Items[2].Level != "warning" || page.Items[2].ID != 1<<30 {
		t.Errorf("%+v", page)
	}
	for query, want := range map[string]string{"?tail=1": "ten", "?tail=5": "nine,ten", fmt.Sprint("?cursor=", page.Items[2].ID): "nine,ten", "?text=left out": page.Items[2].Text} {
		if got := texts(into[LogPage](t, w.want(200, "GET", path+strings.ReplaceAll(query, " ", "%20"), "")).Items); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
}

// A hundred follow a log of the store at once, and share what is read of it.
func TestHundredFollowersOfAnotherMachine(t *testing.T) {
	w := newWorld(t)
	id := w.enqueue("x")
	if _, err := w.store.Begin(t.Context(), id, "worker"); err != nil {
		t.Fatal(err)
	}
	line := logged("info", strings.Repeat("x", 500)) + "\n"
	end := int64(0)
	for range 40 { // 10 MB, of which a few parts are held
		end = w.ship(id, end, strings.Repeat(line, 256<<10/len(line)))
	}
	var all, caught sync.WaitGroup
	for range 100 {
		s := w.follow("/api/v1/runs/" + id + "/logs?tail=100")
		caught.Add(1)
		all.Go(func() {
			for range 100 {
				s.next()
			}
			caught.Done()
			if _, _, data := s.next(); !strings.Contains(data, `"text":"last"`) {
				t.Error(data)
			}
		})
	}
	caught.Wait()
	w.ship(id, end, logged("info", "last")+"\n")
	all.Wait()
	w.server.copies.mu.Lock()
	l := w.server.copies.byID[id]
	w.server.copies.mu.Unlock()
	l.mu.Lock()
	if len(l.parts) > heldParts {
		t.Errorf("%d parts are held", len(l.parts))
	}
	l.mu.Unlock()
}

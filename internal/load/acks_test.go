package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"elt/internal/singer"
)

// Invariant 2: whole value, one line, no repeats, never {} or null for something.
func TestAcksPrintEachValueOnceOnOneLine(t *testing.T) {
	var out bytes.Buffer
	a := &acks{out: &out}
	for _, value := range []string{`{"a":1}`, `{"a": 1}`, `{}`, `null`, "{\n \"a\": 1.10\n}", `{"a":1.10}`, `{"a":1}`} {
		if err := a.print(json.RawMessage(value)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "{\"a\":1}\n{\"a\":1.10}\n{\"a\":1}\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
}

// What a run prints of its bookmarks grows with the time that it takes, and
// not with streams times commits.
func TestAcksOfManyStreamsWaitForEachOther(t *testing.T) {
	const apart = 5 * time.Millisecond
	for _, streams := range []int{10, 300, 5000} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			a := &acks{out: &out, marks: singer.NewMarks(singer.Bookmarks{})}
			printed := func() string {
				synctest.Wait() // a pause may end now
				a.mu.Lock()
				defer a.mu.Unlock()
				return out.String()
			}
			commits := 0
			for round := range 2 {
				for n := range streams {
					if err := a.moved(fmt.Sprintf("stream-%05d", n), fmt.Appendf(nil, `{"at":%d}`, round)); err != nil {
						t.Fatal(err)
					}
					commits++
					time.Sleep(apart)
				}
			}
			most := freeSize + int(apart*ackRate/time.Second)
			if each := len(printed()) / commits; each > most+most/10 {
				t.Errorf("%d streams: %d bytes for each commit", streams, each)
			}
			time.Sleep(longestPause)
			lines := strings.Split(strings.TrimSpace(printed()), "\n")
			if last := lines[len(lines)-1]; strings.Count(last, `{"at":1}`) != streams {
				t.Errorf("%d streams: after the last commit it says %.200s", streams, last)
			}
			if streams == 10 && len(lines) != commits {
				t.Errorf("%d of %d small values were printed", len(lines), commits)
			}
		})
	}
}

func TestAcksThatWaitArePrintedAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		a := &acks{out: &out}
		value := func(n int) json.RawMessage {
			return fmt.Appendf(nil, `{"n":%d,"rest":"%s"}`, n, strings.Repeat("x", 2*freeSize))
		}
		for n := range 5 {
			if err := a.print(value(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.say("and more"); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), string(value(0))+"\n"+string(value(4))+"\nand more\n"; got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
		a.print(value(5))
		if err := a.flush(); err != nil || !strings.HasSuffix(out.String(), string(value(5))+"\n") {
			t.Errorf("%v", err)
		}
		a.out = brokenPipe{}
		a.print(value(6))
		time.Sleep(longestPause) // it is printed by now
		if err := a.print(value(7)); err == nil {
			t.Error("that stdout is gone was not said")
		}
	})
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

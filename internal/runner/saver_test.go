package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"elt/internal/singer"
	"elt/state"
)

func newTestSaver(t *testing.T, m *memory, merge, drop bool) (*saver, *keeper) {
	t.Helper()
	l, err := m.Acquire(t.Context(), "x", holder("mine", "here", ""), time.Minute, "")
	must(t, err)
	k := keep(t.Context(), m, l, quiet)
	return newSaver(t.Context(), m, k, merge, drop, func(json.RawMessage) {}, quiet), k
}

func TestSaverStoresTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, k := newTestSaver(t, m, false, false)
		for n := range 1000 {
			must(t, s.acked(fmt.Appendf(nil, `{"n":%d}`, n)))
		}
		last, stored := s.finish(time.Minute)
		must(t, k.release(t.Context()))
		if string(last) != `{"n":999}` || !stored || string(m.bookmarks["x"].Completed) != `{"n":999}` {
			t.Errorf("%s %v %s", last, stored, m.bookmarks["x"].Completed)
		}
		if len(m.acks) > 1000 {
			t.Error("stored more than was acknowledged")
		}
	})
}

// Values that a merge would need must not be lost while the store is away.
func TestSaverMergesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, k := newTestSaver(t, m, true, false)
		m.setAway(errors.New("away"))
		must(t, s.acked(json.RawMessage(`{"bookmarks":{"a":{"id":1}}}`)))
		synctest.Wait()
		must(t, s.acked(json.RawMessage(`{"bookmarks":{"b":{"id":2}}}`)))
		must(t, s.acked(json.RawMessage(`{"bookmarks":{"b":{"id":3}}}`)))
		time.Sleep(30 * time.Second)
		m.setAway(nil)
		_, stored := s.finish(time.Minute)
		must(t, k.release(t.Context()))
		if !stored || !singer.EqualJSON(m.bookmarks["x"].Partial, []byte(`{"bookmarks":{"a":{"id":1},"b":{"id":3}}}`)) {
			t.Errorf("%v %s", stored, m.bookmarks["x"].Partial)
		}
	})
}

func TestSaverGivesUpAfterItsPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, k := newTestSaver(t, m, false, false)
		m.setAway(errors.New("away"))
		must(t, s.acked(json.RawMessage(`{"n":1}`)))
		begin := time.Now()
		if _, stored := s.finish(time.Minute); stored || time.Since(begin) < time.Minute || time.Since(begin) > 2*time.Minute {
			t.Errorf("stored %v after %v", stored, time.Since(begin))
		}
		m.setAway(nil)
		must(t, k.release(t.Context()))
	})
}

// Invariant 6: a stale holder writes nothing.
func TestSaverThatIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, k := newTestSaver(t, m, false, false)
		_, err := m.Acquire(t.Context(), "x", holder("other", "here", ""), time.Minute, state.AnyRun)
		must(t, err)
		must(t, s.acked(json.RawMessage(`{"n":1}`)))
		<-k.lost
		if _, stored := s.finish(time.Minute); stored || len(m.acks) != 0 {
			t.Errorf("%v %v", stored, m.acks)
		}
		must(t, k.release(t.Context()))
	})
}

func TestSaverThatDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, k := newTestSaver(t, m, false, true)
		must(t, s.acked(json.RawMessage(`{"n":1}`)))
		last, _ := s.finish(time.Minute)
		must(t, k.release(t.Context()))
		if string(last) != `{"n":1}` || len(m.acks) != 0 {
			t.Errorf("%s %v", last, m.acks)
		}
	})
}

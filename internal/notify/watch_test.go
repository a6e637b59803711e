package notify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/project"
	"elt/state"
	"elt/state/sqlite"
)

// post is a channel that remembers, and can be away.
type postbox struct {
	mu   sync.Mutex
	away bool
	asks []time.Time // when it was asked while away
	got  []Message
}

func (p *postbox) Tell(_ context.Context, m Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		p.asks = append(p.asks, time.Now())
		return errors.New("503 Service Unavailable")
	}
	p.got = append(p.got, m)
	return nil
}

func (p *postbox) set(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
}

func (p *postbox) read() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got {
		opened, over := 0, 0
		for _, i := range m.Items {
			if i.What == state.NoticeResolved {
				over++
			} else {
				opened++
			}
		}
		list = append(list, fmt.Sprintf("%d/%d", opened, over))
	}
	return list
}

// town is a store, channels, and daemons that watch.
type town struct {
	t       *testing.T
	store   *sqlite.Store
	config  Config
	boxes   map[string]*postbox
	stop    []func()
	serial  int
	nothing zerolog.Logger
}

func newTown(t *testing.T) *town {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db"), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c := usually(project.AlertRule{On: []string{"failure", "missed_slot"}})
	c.Alerts.GroupWait, c.Alerts.GroupInterval = 30*time.Second, 5*time.Minute
	return &town{t: t, store: s, config: c, boxes: map[string]*postbox{"ops": {}, "mail": {}}, nothing: zerolog.Nop()}
}

func (w *town) daemon() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() {
		done <- (&Watcher{Store: w.store, Log: w.nothing,
			Load: func(context.Context) (Config, error) { return w.config, nil },
			Open: func(_ context.Context, name string) (Channel, error) { return w.boxes[name], nil }}).Run(ctx)
	}()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

// end runs a pipeline once, to this end.
func (w *town) end(name, status string) {
	w.t.Helper()
	w.serial++
	e := state.Execution{ID: fmt.Sprintf("%s-%04d", name, w.serial), Project: "p", Environment: "prod", Name: name, Blocks: []string{name}}
	if _, _, err := w.store.Enqueue(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
	e, err := w.store.Take(w.t.Context(), state.From{Worker: "w", Project: "p", Environment: "prod"})
	if err != nil {
		w.t.Fatal(err)
	}
	e.Status, e.Cause = status, "no such host"
	if err := w.store.End(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) want(box, want string) {
	w.t.Helper()
	if got := strings.Join(w.boxes[box].read(), " "); got != want {
		w.t.Errorf("%s was told %q, want %q", box, got, want)
	}
}

// Forty pipelines fail: each channel gets one message, whoever watches and
// however often it starts again; when they work again, one more.
func TestNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.store.Close()
		one, two := w.daemon(), w.daemon()
		for i := range 40 {
			w.end(fmt.Sprint("pipeline", i), state.Failed)
		}
		time.Sleep(2 * time.Minute)
		w.want("ops", "40/0")
		w.want("mail", "40/0")
		one()
		two()
		one = w.daemon() // starts again
		time.Sleep(time.Hour)
		w.want("ops", "40/0")
		for i := range 40 {
			w.end(fmt.Sprint("pipeline", i), state.Succeeded)
		}
		time.Sleep(5 * time.Minute)
		w.want("ops", "40/0 0/40")
		w.want("mail", "40/0 0/40")
		one()
		open, err := w.store.Incidents(t.Context(), "p", "prod", true, 0)
		if err != nil || len(open) != 0 {
			t.Errorf("%d are open: %v", len(open), err)
		}
	})
}

// What fails again and again within the interval is told by one message per
// interval, not by one each.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.store.Close()
		stop := w.daemon()
		for range 30 { // an hour
			w.end("flaps", state.Failed)
			time.Sleep(70 * time.Second)
			w.end("flaps", state.Succeeded)
			time.Sleep(50 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		stop()
		if n := len(w.boxes["ops"].read()); n < 2 || n > 15 {
			t.Errorf("%d messages in an hour", n)
		}
	})
}

// A channel that is away is asked less and less often, gets everything at
// last, and keeps no other from being told.
func TestAChannelAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.store.Close()
		w.boxes["mail"].set(true)
		stop := w.daemon()
		w.end("nightly", state.Failed)
		time.Sleep(time.Minute)
		w.want("ops", "1/0")
		time.Sleep(6 * time.Hour)
		w.end("hourly", state.Failed)
		time.Sleep(2 * time.Hour)
		w.boxes["mail"].set(false)
		if n := len(w.boxes["mail"].asks); n < 8 || n > 40 {
			t.Errorf("asked %d times in 8 hours", n)
		}
		time.Sleep(2 * time.Hour)
		stop()
		w.want("ops", "1/0 1/0")
		total := 0
		for _, m := range w.boxes["mail"].got {
			total += len(m.Items)
		}
		if total != 2 {
			t.Errorf("%d incidents told in the end: %v", total, w.boxes["mail"].read())
		}
	})
}

// An incident is found by a daemon that starts when all is over in the queue,
// but for the failure itself: from the store, not from memory.
func TestFromTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		defer w.store.Close()
		w.end("nightly", state.Succeeded)
		w.end("nightly", state.Failed)
		if _, err := w.store.Fire(t.Context(), state.Slot{Project: "p", Environment: "prod", Schedule: "weekly", Slot: time.Now().Add(-time.Hour),
			Outcome: state.SlotMissed, Why: "nobody was there"}, nil, false); err != nil {
			t.Fatal(err)
		}
		w.config.Pipelines = []Promise{{Name: "nightly"}, {Name: "weekly", Times: daily(t)}}
		time.Sleep(3 * time.Hour)
		stop := w.daemon()
		time.Sleep(2 * time.Minute)
		stop()
		w.want("ops", "2/0")
		items := w.boxes["ops"].got[0].Items
		if items[0].Kind != Failure || items[0].Detail != "no such host" || items[1].Kind != MissedSlot || items[1].Pipeline != "weekly" {
			t.Errorf("%+v", items)
		}
	})
}

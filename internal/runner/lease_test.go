package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/state"
)

var quiet = zerolog.Nop()

func holder(run, machine, lock string) state.Holder {
	return state.Holder{RunID: run, Host: "host-of-" + run, Machine: machine, PID: 7, Lock: lock, Since: time.Unix(1e9, 0)}
}

func TestAcquireFromADeadHolderOfThisMachineAtOnce(t *testing.T) {
	m := newMemory()
	_, err := m.Acquire(t.Context(), "x", holder("dead", "here", filepath.Join(t.TempDir(), "gone")), time.Hour, "")
	must(t, err)
	l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), time.Hour, false, quiet)
	must(t, err)
	if l.RunID != "mine" || l.Epoch != 2 {
		t.Errorf("%+v", l)
	}
}

func TestALivingHolderOfThisMachineIsNamed(t *testing.T) {
	m, lock := newMemory(), filepath.Join(t.TempDir(), "lock")
	guard := flock.New(lock)
	if ok, err := guard.TryLock(); !ok || err != nil {
		t.Fatal(err)
	}
	defer guard.Unlock()
	alive := holder("alive", "here", lock)
	alive.PID = os.Getpid()
	_, err := m.Acquire(t.Context(), "x", alive, time.Hour, "")
	must(t, err)
	_, err = acquire(t.Context(), m, "x", holder("mine", "here", ""), time.Hour, false, quiet)
	if fault.CodeOf(err) != fault.AlreadyRunning {
		t.Fatal(err)
	}
	contains(t, "the refusal", err.Error(), "state id x", "run alive", "host-of-alive", fmt.Sprintf("pid %d", os.Getpid()), "2001-09-09T01:46:40Z")

	l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), time.Hour, true, quiet)
	if err != nil || l.RunID != "mine" {
		t.Error("--force:", err)
	}
}

// Right after a runner was killed its guard still ends what it had started:
// the next run waits for that instead of being refused.
func TestAHolderThatHasJustDiedIsWaitedFor(t *testing.T) {
	ended := exec.Command("true")
	must(t, ended.Run())
	synctest.Test(t, func(t *testing.T) {
		m, lock := newMemory(), filepath.Join(t.TempDir(), "lock")
		guard := flock.New(lock)
		if ok, err := guard.TryLock(); !ok || err != nil {
			t.Fatal(err)
		}
		dead := holder("dead", "here", lock)
		dead.PID = ended.Process.Pid
		_, err := m.Acquire(t.Context(), "x", dead, 30*time.Second, "")
		must(t, err)
		time.AfterFunc(time.Second, func() { guard.Unlock() })
		before := time.Now()
		l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), 30*time.Second, false, quiet)
		must(t, err)
		if waited := time.Since(before); l.RunID != "mine" || waited < time.Second || waited > 2*time.Second {
			t.Errorf("%+v after %v", l, waited)
		}
	})
}

// elsewhere holds a lease of 30 s and has been silent, as its store sees it,
// for so long when it is looked at.
type elsewhere struct {
	*memory
	since  time.Time
	silent func(watched time.Duration) time.Duration
}

func (e *elsewhere) Acquire(ctx context.Context, id string, h state.Holder, ttl time.Duration, takeFrom string) (state.Lease, error) {
	l, err := e.memory.Acquire(ctx, id, h, ttl, takeFrom)
	if held := (*state.HeldError)(nil); errors.As(err, &held) {
		held.Silent = e.silent(time.Since(e.since))
	}
	return l, err
}

// A holder on another host is taken over when its lease has ended and we saw
// the store up, and the holder silent, for a whole lease; it is left alone,
// and named, as soon as it renews, or after two leases (invariant 6).
func TestHowLongAHolderElsewhereIsWaitedFor(t *testing.T) {
	const lease = 30 * time.Second
	beats := func(every time.Duration) func(time.Duration) time.Duration {
		return func(watched time.Duration) time.Duration { return watched % every }
	}
	for _, c := range []struct {
		name   string
		silent func(watched time.Duration) time.Duration
		waited time.Duration
		taken  bool
	}{
		{"it fell silent as we came", func(w time.Duration) time.Duration { return w }, lease, true},
		{"it fell silent half a lease ago", func(w time.Duration) time.Duration { return w + lease/2 }, lease, true},
		{"its lease ended long ago, while the store was away perhaps", func(w time.Duration) time.Duration { return w + time.Hour }, lease, true},
		{"the store's clock was set back", func(w time.Duration) time.Duration { return max(0, w-lease/2) }, lease * 3 / 2, true},
		{"it beats", beats(10 * time.Second), 10 * time.Second, false},
		{"it beats just before its lease ends", beats(29 * time.Second), 29 * time.Second, false},
		{"it comes back after most of a lease", func(w time.Duration) time.Duration { return (w + time.Hour) % (time.Hour + 25*time.Second) }, 25 * time.Second, false},
		{"it beats whenever it is looked at", func(time.Duration) time.Duration { return time.Millisecond }, 2 * lease, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &elsewhere{newMemory(), time.Now(), c.silent}
				_, err := store.Acquire(t.Context(), "x", holder("other", "there", "/nowhere"), lease, "")
				must(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), 10*lease)
				defer cancel()
				var log bytes.Buffer
				l, err := acquire(ctx, store, "x", holder("mine", "here", ""), lease, false, zerolog.New(&log))
				if waited := time.Since(store.since); waited != c.waited {
					t.Errorf("waited %v, want %v", waited, c.waited)
				}
				contains(t, "the log", log.String(), "waiting to see whether run other on host-of-other (pid 7), running since 2001-09-09T01:46:40Z is alive")
				if c.taken {
					if err != nil || l.RunID != "mine" || l.Epoch != 2 {
						t.Errorf("%+v, %v", l, err)
					}
					contains(t, "the log", log.String(), "taking over from run other on host-of-other")
					return
				}
				const want = "state id x is held by run other on host-of-other (pid 7), running since 2001-09-09T01:46:40Z\n" +
					"hint: wait until it has ended (elt logs list); --force runs beside it, --state-id-suffix under another state id"
				if fault.CodeOf(err) != fault.AlreadyRunning || fault.Render(err) != want {
					t.Errorf("%+v, %v", l, err)
				}
			})
		})
	}
}

func TestKeeperRenewsAndLearnsOfItsLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), 30*time.Second, false, quiet)
		must(t, err)
		must(t, m.StartRun(t.Context(), state.Run{ID: "mine"}))
		k := keep(t.Context(), m, l, quiet)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		m.mu.Lock()
		if silent := time.Since(m.leases["x"].renewed); silent > 30*time.Second {
			t.Errorf("not renewed for %v", silent)
		}
		m.mu.Unlock()
		_, err = m.Acquire(t.Context(), "x", holder("other", "here", ""), time.Minute, state.AnyRun)
		must(t, err)
		<-k.lost
		if lost, forced := k.isLost(); !lost || !forced {
			t.Error("a lease that was fresh was taken by force")
		}
		must(t, k.release(t.Context()))
		if m.leases["x"].holder.RunID != "other" {
			t.Error("a lost lease was given back")
		}
	})
}

// A runner that was stopped for longer than its lease was taken over because
// it was thought dead: that is no --force.
func TestKeeperThatSleptTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), 30*time.Second, false, quiet)
		must(t, err)
		var log bytes.Buffer
		k := keep(t.Context(), m, l, zerolog.New(&log))
		m.setAway(context.DeadlineExceeded)
		time.Sleep(2 * time.Minute)
		m.setAway(nil)
		_, err = m.Acquire(t.Context(), "x", holder("other", "there", ""), time.Minute, "mine")
		must(t, err)
		<-k.lost
		if _, forced := k.isLost(); forced {
			t.Error("taken for --force")
		}
		must(t, k.release(t.Context()))
		if n := bytes.Count(log.Bytes(), []byte("does not answer")); n != 1 {
			t.Errorf("said %d times that the store is away: %s", n, &log)
		}
	})
}

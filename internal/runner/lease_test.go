package runner

import (
	"bytes"
	"context"
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

// A holder elsewhere is taken over once we saw the store up, and the holder
// silent, for a whole lease (invariant 6); one that renews is not.
func TestHoldersElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		_, err := m.Acquire(t.Context(), "x", holder("silent", "there", "/nowhere"), 30*time.Second, "")
		must(t, err)
		time.Sleep(10 * time.Minute) // while the store was away, say
		before := time.Now()
		l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), 30*time.Second, false, quiet)
		must(t, err)
		if waited := time.Since(before); waited < 30*time.Second || waited > 60*time.Second {
			t.Errorf("waited %v", waited)
		}
		if l.RunID != "mine" {
			t.Errorf("%+v", l)
		}

		alive, err := m.Acquire(t.Context(), "y", holder("alive", "there", "/nowhere"), 30*time.Second, "")
		must(t, err)
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Second):
					m.Renew(context.Background(), alive)
				}
			}
		}()
		before = time.Now()
		_, err = acquire(t.Context(), m, "y", holder("mine", "here", ""), 30*time.Second, false, quiet)
		if fault.CodeOf(err) != fault.AlreadyRunning || time.Since(before) > 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(before))
		}
		close(stop)
		synctest.Wait()
	})
}

func TestKeeperRenewsAndLearnsOfItsLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l, err := acquire(t.Context(), m, "x", holder("mine", "here", ""), 30*time.Second, false, quiet)
		must(t, err)
		must(t, m.StartRun(t.Context(), state.Run{ID: "mine"}))
		k := keep(t.Context(), m, l, func() []state.StreamStats { return []state.StreamStats{{Stream: "s", Rows: 3}} }, quiet)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		m.mu.Lock()
		if silent := time.Since(m.leases["x"].renewed); silent > 30*time.Second {
			t.Errorf("not renewed for %v", silent)
		}
		if len(m.runs["mine"].Streams) != 1 {
			t.Error("the heartbeat stores no statistics")
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
		k := keep(t.Context(), m, l, func() []state.StreamStats { return nil }, zerolog.New(&log))
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

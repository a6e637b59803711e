package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/proc"
	"elt/state"
)

// acquire takes the lease of a state id (invariant 6). A holder on this
// machine whose guard's lock file is free is dead, and its lease is taken at
// once (invariant 8); one whose process has just ended is waited for until
// its guard has cleaned up. Any other that is silent for longer than its lease is
// taken over once we have seen the store up for a whole lease ourselves: it
// may have been silent only because the store was away. A holder that is
// alive is an error that says who, where, since when.
func acquire(ctx context.Context, store state.Leases, id string, h state.Holder, ttl time.Duration, force bool, log zerolog.Logger) (state.Lease, error) {
	var watched watch
	takeFrom := ""
	for {
		lease, err := store.Acquire(ctx, id, h, ttl, takeFrom)
		var held *state.HeldError
		if !errors.As(err, &held) {
			return lease, err
		}
		takeFrom = ""
		switch {
		case force:
			log.Warn().Str("state_id", id).Msg("--force: running beside " + describe(held.Holder))
			takeFrom = state.AnyRun
		case held.Holder.Machine == h.Machine && held.Holder.Lock != "" && free(held.Holder.Lock):
			log.Info().Str("state_id", id).Msg("taking over from " + describe(held.Holder) + ", which is dead")
			takeFrom = held.Holder.RunID
		case held.Holder.Machine == h.Machine && held.Silent < held.TTL && proc.Running(held.Holder.PID):
			return lease, alreadyRunning(held)
		case watched.run != held.Holder.RunID:
			watched = watch{held.Holder.RunID, held.Silent, time.Now()}
			log.Info().Str("state_id", id).Msg("waiting to see whether " + describe(held.Holder) + " is alive")
		case held.Silent < watched.silent: // it has just renewed
			return lease, alreadyRunning(held)
		case held.Silent >= held.TTL && time.Since(watched.since) >= held.TTL:
			log.Warn().Str("state_id", id).Msg("taking over from " + describe(held.Holder) + ", which has been silent for " + held.Silent.Round(time.Second).String())
			takeFrom = held.Holder.RunID
		case time.Since(watched.since) >= 2*held.TTL:
			return lease, alreadyRunning(held)
		}
		if takeFrom != "" {
			continue
		}
		watched.silent = held.Silent
		look := min(time.Second, held.TTL/10)
		if held.Holder.Machine == h.Machine {
			look = min(look, 20*time.Millisecond) // a guard needs no longer to clean up
		}
		if err := pause(ctx, look); err != nil {
			return lease, err
		}
	}
}

// watch is a holder that is looked at to see whether it renews.
type watch struct {
	run    string
	silent time.Duration
	since  time.Time
}

// free says that no guard holds a lock file: all of its run is dead.
func free(lock string) bool {
	ok, err := proc.LockFree(lock)
	return ok && err == nil
}

func describe(h state.Holder) string {
	return fmt.Sprintf("run %s on %s (pid %d), running since %s", h.RunID, h.Host, h.PID, h.Since.UTC().Format(time.RFC3339))
}

func alreadyRunning(held *state.HeldError) error {
	return fault.New(fault.AlreadyRunning, "state id %s is held by %s", held.StateID, describe(held.Holder)).
		WithHint("wait until it has ended (elt logs list); --force runs beside it, --state-id-suffix under another state id")
}

// self describes this process as a holder.
func self(runID, machine, lock string) state.Holder {
	host, _ := os.Hostname()
	return state.Holder{RunID: runID, Host: host, Machine: machine, PID: os.Getpid(), Lock: lock, Since: time.Now()}
}

// keeper renews a lease until it is stopped. While the store is away loading
// goes on; once the lease is lost, lost is closed.
type keeper struct {
	store state.Leases
	log   zerolog.Logger

	mu     sync.Mutex
	lease  state.Lease
	fresh  time.Time // of the last renewal
	forced bool
	lost   chan struct{}
	stop   context.CancelFunc
	done   chan struct{}
}

func keep(ctx context.Context, store state.Leases, l state.Lease, log zerolog.Logger) *keeper {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{store: store, log: log, lease: l, fresh: time.Now(),
		lost: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go k.run(ctx)
	return k
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	first, away := k.current(), false
	for pause(ctx, first.TTL/3) == nil {
		try, cancel := context.WithTimeout(ctx, first.TTL/3)
		err := k.store.Renew(try, k.current())
		cancel()
		switch {
		case errors.Is(err, state.ErrFenced):
			k.fenced()
			return
		case ctx.Err() != nil:
			return
		case err != nil:
			if !away {
				k.log.Warn().Err(err).Msg("the state store does not answer; loading goes on, bookmarks wait")
			}
			away = true
		default:
			if away {
				k.log.Info().Msg("the state store answers again")
			}
			away = false
			k.mu.Lock()
			k.fresh = time.Now()
			k.mu.Unlock()
		}
	}
}

// fenced takes note that another run has the lease. A lease that was fresh
// can only have been taken by --force.
func (k *keeper) fenced() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.lost:
	default:
		k.forced = time.Since(k.fresh) < k.lease.TTL
		close(k.lost)
	}
}

func (k *keeper) isLost() (lost, forced bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.lost:
		return true, k.forced
	default:
		return false, false
	}
}

func (k *keeper) current() state.Lease {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lease
}

// adopt raises epoch and edits to what the destination gave.
func (k *keeper) adopt(ctx context.Context, epoch, edit int64) error {
	l, err := k.store.Adopt(ctx, k.current(), epoch, edit)
	if err != nil {
		return fmt.Errorf("adopt epoch %d of the destination: %w", epoch, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lease = l
	return nil
}

// release stops renewing and gives the lease back.
func (k *keeper) release(ctx context.Context) error {
	k.stop()
	<-k.done
	return k.store.Release(ctx, k.current())
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

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
// once (invariant 8); a holder elsewhere that stays silent is waited for, two
// leases long; one that is alive is an error that says who, where, since when.
func acquire(ctx context.Context, store state.Leases, id string, h state.Holder, ttl time.Duration, force bool, log zerolog.Logger) (state.Lease, error) {
	deadline := time.Now().Add(2 * ttl)
	var silent time.Duration // of the holder when it was last looked at
	var waitingFor string    // its run id
	for {
		lease, err := store.Acquire(ctx, id, h, ttl, false)
		var held *state.HeldError
		if !errors.As(err, &held) {
			return lease, err
		}
		if force {
			log.Warn().Str("state_id", id).Msg("--force: running beside " + describe(held.Holder))
			return store.Acquire(ctx, id, h, ttl, true)
		}
		if held.Holder.Machine == h.Machine && held.Holder.Lock != "" {
			free, err := proc.LockFree(held.Holder.Lock)
			if err == nil && free {
				log.Info().Str("state_id", id).Msg("taking over from " + describe(held.Holder) + ", which is dead")
				return store.Acquire(ctx, id, h, ttl, true)
			}
			return lease, alreadyRunning(held)
		}
		if waitingFor == held.Holder.RunID && held.Silent < silent {
			return lease, alreadyRunning(held) // it has just renewed
		}
		if time.Now().After(deadline) {
			return lease, alreadyRunning(held)
		}
		if waitingFor == "" {
			log.Info().Str("state_id", id).Msg("waiting to see whether " + describe(held.Holder) + " is alive")
		}
		waitingFor, silent = held.Holder.RunID, held.Silent
		if err := pause(ctx, min(time.Second, ttl/10)); err != nil {
			return lease, err
		}
	}
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
	store state.Store
	log   zerolog.Logger
	beat  func() []state.StreamStats

	mu     sync.Mutex
	lease  state.Lease
	fresh  time.Time // of the last renewal
	forced bool
	lost   chan struct{}
	stop   context.CancelFunc
	done   chan struct{}
}

func keep(ctx context.Context, store state.Store, l state.Lease, beat func() []state.StreamStats, log zerolog.Logger) *keeper {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &keeper{store: store, log: log, beat: beat, lease: l, fresh: time.Now(),
		lost: make(chan struct{}), stop: stop, done: make(chan struct{})}
	go k.run(ctx)
	return k
}

func (k *keeper) run(ctx context.Context) {
	defer close(k.done)
	away := false
	for pause(ctx, k.lease.TTL/3) == nil {
		try, cancel := context.WithTimeout(ctx, k.lease.TTL/3)
		err := k.store.Renew(try, k.current())
		if err == nil {
			err = k.store.Beat(try, k.lease.RunID, k.beat())
		}
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

// adopt raises the epoch to what the destination gave.
func (k *keeper) adopt(ctx context.Context, epoch int64) error {
	l, err := k.store.Adopt(ctx, k.current(), epoch)
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

package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"elt/internal/project"
	"elt/state"
)

// Channel tells somebody something.
type Channel interface {
	// Tell sends a message. It may be called again with the same message, which
	// has the same id then. An error of type *LaterError says when.
	Tell(ctx context.Context, m Message) error
}

// LaterError: the channel asks to be left alone for a while.
type LaterError struct {
	After time.Duration
	Err   error
}

func (e *LaterError) Error() string { return e.Err.Error() }
func (e *LaterError) Unwrap() error { return e.Err }

const (
	// sending is how long one message may take, claimed how long nobody else
	// tells what one daemon is telling.
	sending = 20 * time.Second
	claimed = time.Minute
	// parting is what a message on its way gets when the daemon stops.
	parting = 3 * time.Second
	// A channel that is away is asked again after firstRetry, each time twice as
	// long, up to lastRetry, some thirty times, which is a day.
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
	attempts   = 30
)

// sender tells channels what they are owed, each by a goroutine of its own.
type sender struct {
	*Watcher
	mu   sync.Mutex
	busy map[string]bool
	all  sync.WaitGroup
}

func newSender(w *Watcher) *sender { return &sender{Watcher: w, busy: map[string]bool{}} }

func (s *sender) wait() { s.all.Wait() }

// send begins to tell all channels that are not being told something.
func (s *sender) send(ctx context.Context, c Config) {
	for _, ch := range c.Alerts.Channels {
		s.mu.Lock()
		busy := s.busy[ch.Name]
		s.busy[ch.Name] = true
		s.mu.Unlock()
		if busy {
			continue
		}
		s.all.Go(func() {
			defer func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.busy[ch.Name] = false
			}()
			if err := s.one(ctx, c, ch); err != nil && ctx.Err() == nil {
				s.Log.Error().Err(err).Str("channel", ch.Name).Msg("notices cannot be read")
			}
		})
	}
}

// one tells a channel what it is owed now.
func (s *sender) one(ctx context.Context, c Config, ch project.Channel) error {
	owed, err := s.Store.ClaimNotices(ctx, c.Project, c.Environment, ch.Name, c.Alerts.GroupInterval, claimed)
	if err != nil || len(owed) == 0 {
		return err
	}
	told, cancel := context.WithTimeout(context.WithoutCancel(ctx), sending)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(parting, cancel) })
	defer stop()
	err = s.tell(told, ch, NewMessage(c.Project, c.Environment, owed))
	again, tries := time.Duration(0), owed[0].Attempts
	cause := ""
	if err != nil {
		cause = err.Error()
		for _, n := range owed {
			tries = min(tries, n.Attempts)
		}
		if tries < attempts {
			again = min(firstRetry<<min(tries-1, 20), lastRetry)
		}
		if later := (*LaterError)(nil); errors.As(err, &later) {
			again = max(again, later.After)
		}
		s.Log.Warn().Err(err).Str("channel", ch.Name).Int("attempt", tries).Dur("again_in", again).Msg("a channel could not be told")
	}
	after, done := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer done()
	return s.Store.NoticesDone(after, ch.Name, owed, cause, again)
}

func (s *sender) tell(ctx context.Context, ch project.Channel, m Message) error {
	open, err := s.Open(ctx, ch.Name)
	if err != nil {
		return err
	}
	return open.Tell(ctx, m)
}

// Message is what is told at once.
type Message struct {
	ID          string    `json:"id"`   // the same when it is sent again
	Type        string    `json:"type"` // "alert", "test"
	Project     string    `json:"project"`
	Environment string    `json:"environment,omitempty"`
	At          time.Time `json:"at"`
	Items       []Item    `json:"incidents"`
}

// Item is one incident of a message.
type Item struct {
	state.Incident
	What string `json:"what"` // "opened", "resolved"
}

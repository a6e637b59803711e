package schedule

import (
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"
)

// Clock is gocron as an alarm clock.
type Clock struct {
	scheduler gocron.Scheduler
	set       uuid.UUID
	rings     chan struct{}
}

// NewClock starts a clock that nothing is set on.
func NewClock() (*Clock, error) {
	s, err := gocron.NewScheduler()
	if err != nil {
		return nil, err
	}
	s.Start()
	return &Clock{scheduler: s, rings: make(chan struct{}, 1)}, nil
}

// Set implements Alarm.
func (c *Clock) Set(at time.Time) error {
	if c.set != uuid.Nil {
		_ = c.scheduler.RemoveJob(c.set) // it is gone when it has rung
	}
	when := gocron.OneTimeJobStartDateTime(at)
	if !at.After(time.Now()) {
		when = gocron.OneTimeJobStartImmediately()
	}
	job, err := c.scheduler.NewJob(gocron.OneTimeJob(when), gocron.NewTask(c.Ring))
	if err != nil {
		return err
	}
	c.set = job.ID()
	return nil
}

// Ring rings now: something changed that the scheduler should look at.
func (c *Clock) Ring() {
	select {
	case c.rings <- struct{}{}:
	default: // it rings already
	}
}

// Rings implements Alarm.
func (c *Clock) Rings() <-chan struct{} { return c.rings }

// Close stops the clock.
func (c *Clock) Close() error { return c.scheduler.Shutdown() }

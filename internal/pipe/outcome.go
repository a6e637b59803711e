package pipe

import (
	"encoding/json"
	"fmt"
	"time"

	"elt/internal/limit"
	"elt/internal/proc"
	"elt/internal/singer"
)

// Outcome is how a chain ended.
type Outcome struct {
	// Failure is the first thing that went wrong; nil: every process exited 0
	// after its input had ended, and every byte arrived.
	Failure *Failure
	Stages  []StageEnd
	// Forwarded is the last STATE value sent to the target, Acked the last
	// one that it acknowledged and that counts. Confirmed: they agree.
	Forwarded, Acked json.RawMessage
	Confirmed        bool
	// Limit ended the run, before the tap was done; nil: none did.
	Limit *limit.Reached
	// Refused are acknowledgements that do not count (invariant 5).
	Refused []error
	Flow    Flow
}

// StageEnd is how one stage ended.
type StageEnd struct {
	Name     string
	Status   proc.Status
	Ended    time.Time
	Early    bool     // before its input did
	Stopped  bool     // after we asked it to
	Unread   int      // bytes of its input that it left
	HalfLine int      // bytes of an unfinished last line, which were not passed on
	Tail     []string // its last lines of standard error
	Dropped  int64    // lines of standard error that were not handed on
}

// Kind is what went wrong.
type Kind int

const (
	Exit        Kind = iota // a stage ended with another code than 0, or by a signal
	NotStarted              // a stage could not be started
	Early                   // a stage ended, with code 0, before its input did
	Unread                  // a stage ended with code 0 and left input unread
	Broken                  // a stage closed its input, or its output could not be read
	Stopped                 // the context ended
	Refused                 // Events.Ack said no
	Unconfirmed             // a built-in target did not acknowledge the last STATE
)

// Failure says what ended a run, and whose fault it was.
type Failure struct {
	Kind   Kind
	Stage  string      // "" when no stage is to blame
	Status proc.Status // of that stage
	Err    error       // the cause, where there is one
	at     time.Time
}

func (f *Failure) Error() string {
	switch f.Kind {
	case NotStarted, Refused:
		return f.Err.Error()
	case Stopped:
		return fmt.Sprintf("stopped: %v", f.Err)
	case Early:
		return fmt.Sprintf("%s ended before its input did (%v): what it had not confirmed is not loaded", f.Stage, f.Status)
	case Unread:
		return fmt.Sprintf("%s ended without reading all of its input", f.Stage)
	case Unconfirmed:
		return fmt.Sprintf("%s ended well but did not confirm the last state", f.Stage)
	case Broken:
		return f.Err.Error()
	default:
		return fmt.Sprintf("%s failed: %v", f.Stage, f.Status)
	}
}

func (f *Failure) Unwrap() error { return f.Err }

// judge collects how everything ended (invariant 5). The cause of a failure
// is what went wrong first: a tap that we stopped because its target died has
// not failed, and a target that stumbles over half a stream has not either.
func (r *run) judge() Outcome {
	o := Outcome{Acked: r.acks.last, Refused: r.acks.refused, Flow: r.Meter.Read()}
	var first *Failure
	blame := func(f Failure) {
		if first == nil || f.at.Before(first.at) {
			first = &f
		}
	}
	if n := len(r.hops); n > 0 {
		o.Limit = r.hops[n-1].limited
	}
	for i, s := range r.stages {
		status := s.wait()
		end := StageEnd{
			Name: s.name, Status: status, Ended: s.running.Ended(), Early: s.early, Unread: s.unread,
			Stopped: s.stopped.Load(), Tail: s.running.Tail(), Dropped: s.running.StderrDropped(),
		}
		if i < len(r.hops) {
			end.HalfLine = r.hops[i].dropped
		}
		o.Stages = append(o.Stages, end)
		switch f := (Failure{Stage: s.name, Status: status, at: end.Ended}); {
		case end.Stopped && (!end.Early || o.Limit != nil):
		case !status.OK():
			f.Err = status.Err
			blame(f)
		case end.Early:
			f.Kind = Early
			blame(f)
		case end.Unread > 0:
			f.Kind = Unread
			blame(f)
		}
	}
	for _, h := range r.hops {
		// A stage that read no more because it died is blamed for its exit, above.
		died := h.lost != nil && !h.to.wait().OK() && !h.to.stopped.Load()
		if err := h.err(); err != nil && !h.to.early && !died {
			blame(Failure{Kind: Broken, Stage: h.blamed().name, Status: h.blamed().wait(), Err: err, at: h.lostAt})
		}
		if h.scan != nil {
			o.Forwarded = h.scan.forwarded()
		}
	}
	if why := r.stop.reason(); why != nil && (first == nil || first.at.After(why.at)) {
		first = why
	}
	o.Confirmed = confirmed(o.Forwarded, o.Acked)
	if last := r.stages[len(r.stages)-1]; first == nil && last.builtIn && !o.Confirmed && o.Limit == nil {
		first = &Failure{Kind: Unconfirmed, Stage: last.name}
	}
	o.Failure = first
	return o
}

// confirmed says that everything in the last forwarded value was acknowledged.
func confirmed(forwarded, acked json.RawMessage) bool {
	sent := singer.NewBookmarks(forwarded)
	return sent.IsZero() || acked != nil && singer.NewTrace(singer.NewBookmarks(acked)).Check(sent.Raw()) == nil
}

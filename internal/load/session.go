package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/targets"
)

// Session is one run's work on one Sink. NewSession, then Claim (under our
// runner), then either Input or Output, which end it; Close in any case.
type Session struct {
	sink   targets.Sink
	opt    Options
	acks   *acks
	meters *meters
	warn   func(format string, args ...any)
	start  singer.Bookmarks

	completed completed // of a windowed run
	marks     bool      // the last commit of a stream says so to the destination
}

// NewSession takes over sink. STATE lines go to stdout, talk to warn, and
// Stats to events unless that is nil.
func NewSession(sink targets.Sink, opt Options, stdout io.Writer, events io.Writer, warn func(format string, args ...any)) *Session {
	s := &Session{sink: sink, opt: opt, acks: &acks{out: stdout}, meters: newMeters(events), warn: warn}
	if r, ok := sink.(targets.ChangeReporter); ok {
		r.OnChange(s.meters.changed)
	}
	return s
}

// openSession connects to the destination. Under a windowed claim nothing is
// deleted for good (invariant 9).
func openSession(ctx context.Context, target targets.Target, cfg spec.Config, env environ, stdout io.Writer, log zerolog.Logger) (*Session, error) {
	opt, err := ParseOptions(cfg)
	if err != nil {
		return nil, err
	}
	opt.Windowed = env.claim != nil && env.claim.Windowed
	opt.NoUpdate = env.claim != nil && env.claim.NoUpdate
	opt.Preview = env.claim != nil && env.claim.Limits.PerStream > 0
	if opt.Windowed {
		opt.AllowAppend = env.claim.AllowAppend
		cfg = cfg.With("hard_delete", false)
	}
	sink, err := target.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	warn := func(format string, args ...any) { log.Warn().Msgf(format, args...) }
	return NewSession(sink, opt, stdout, env.listener(), warn), nil
}

// Claim makes the destination this run's and prints the ClaimReply
// (invariant 3). The bookmarks of the Decision are where the tap starts.
func (s *Session) Claim(ctx context.Context, req ClaimRequest) (Decision, error) {
	var decision Decision
	var fence targets.Fence
	var refused error
	kept, late, over := false, false, s.overwrites()
	decide := Decide
	switch {
	case req.Windowed:
		decide = s.windowed
	case req.Start != nil:
		decide = func(req ClaimRequest, found targets.Fence) (targets.Fence, Decision, error) {
			return decideOnce(req, found, over)
		}
	case over:
		decide = decideOver
	}
	if k, ok := s.sink.(targets.Keeper); ok {
		k.Recall(req.RunID, req.Kept)
	}
	err := s.sink.Claim(ctx, req.StateID, func(found targets.Fence) (targets.Fence, error) {
		kept, late = !found.Keepless, found.Late
		fence, decision, refused = decide(req, found)
		return fence, refused
	})
	if refused != nil {
		return Decision{}, refused
	}
	if err != nil {
		return Decision{}, fmt.Errorf("claim state id %s at the destination: %w", req.StateID, err)
	}
	s.start = decision.Bookmarks
	line, err := json.Marshal(ClaimReply{
		Type: TypeClaim, StateID: req.StateID, Epoch: fence.Epoch, Edit: fence.Edit,
		Bookmarks: decision.Bookmarks.Raw(), Source: decision.Source, Note: decision.Note, Kept: kept, Late: late,
		Lanes: s.parallel(),
	})
	if err != nil {
		return Decision{}, err
	}
	if _, err := s.acks.out.Write(append(line, '\n')); err != nil {
		return Decision{}, fmt.Errorf("print the claim: %w", err)
	}
	return decision, nil
}

// commit ends a lane's transaction, without positions in a run that leaves the
// bookmark where it is.
func (s *Session) commit(ctx context.Context, lane targets.Lane, c targets.Commit) error {
	if s.opt.NoUpdate {
		c = targets.Commit{}
	}
	return lane.Commit(ctx, c)
}

// finish completes the run at the destination, and says what it left there.
func (s *Session) finish(ctx context.Context) error {
	if err := s.sink.Finish(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	k, ok := s.sink.(targets.Keeper)
	if !ok || k.Kept() == "" {
		return nil
	}
	return s.acks.say(KeptLine + k.Kept())
}

// overwrites says that streams replace what the destination has of them.
func (s *Session) overwrites() bool {
	p, ok := s.sink.(targets.Planner)
	return ok && p.Method(&row.Schema{}) == targets.Overwrite
}

// Close undoes what is not committed, prints the newest STATE and writes the
// last statistics.
func (s *Session) Close() error {
	s.meters.close()
	err := s.acks.flush()
	if failed := s.sink.Abort(); failed != nil {
		err = errors.Join(err, fmt.Errorf("release the destination: %w", failed))
	}
	return err
}

// Stats are the streams' figures so far.
func (s *Session) Stats() Stats { return s.meters.stats() }

// parallel is how many lanes work at the same time.
func (s *Session) parallel() int {
	n := s.opt.Parallelism
	if n == 0 {
		n = min(runtime.GOMAXPROCS(0), 4)
	}
	return max(1, min(n, s.sink.Lanes()))
}

// reject keeps a bad record in the transaction of the lane.
func (s *Session) reject(ctx context.Context, lane targets.Lane, stream string, record json.RawMessage, cause error) error {
	m := s.meters.stream(stream)
	if n := m.rejected.Add(1); s.opt.MaxBadRecords > 0 && n > s.opt.MaxBadRecords {
		return fmt.Errorf("stream %s: more than max_bad_records = %d records were rejected, the last because: %w",
			stream, s.opt.MaxBadRecords, cause)
	}
	return lane.(targets.Rejecter).Reject(ctx, targets.Reject{Stream: stream, Reason: cause.Error(), Record: record})
}

// lane opens a lane that can do what the options ask for.
func (s *Session) lane(ctx context.Context) (targets.Lane, error) {
	lane, err := s.sink.Lane(ctx)
	if err != nil {
		return nil, err
	}
	if _, ok := lane.(targets.Rejecter); !ok && s.opt.OnBadRecord == "quarantine" {
		return nil, errors.Join(lane.Close(), fault.New(fault.BadConfig,
			"on_bad_record: quarantine is set, but this target has no place for rejected records"))
	}
	return lane, nil
}

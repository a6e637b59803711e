package taps

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/program"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
)

// Checker is a Tap that can tell what stands between it and its source.
// Without it `elt test` discovers, and reads a record of each stream; with it,
// it does so after Check.
type Checker interface {
	// Check makes its checks in the order in which a connection comes about,
	// each by report.Do under a plain name: "settings", "connect" (name
	// server, network and TLS), "login", "permission" … It returns at the
	// first failure that makes the rest pointless. It makes one attempt, so
	// that a person need not wait for an absent server, reads no rows and
	// changes nothing. A failure's kind comes from fault.KindOf its error.
	Check(ctx context.Context, cfg spec.Config, report *check.Report)
}

// StreamChecker is a Tap whose streams may need more of their source than to
// be read: a log that is kept for them, say.
type StreamChecker interface {
	// CheckStreams is Check for the selected streams of catalog, before their
	// first rows are read. A stream that is not there, or settings that are
	// wrong, are left to that reading.
	CheckStreams(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, report *check.Report)
}

// examine is the tap's command line under --check: one JSON line per check
// on out. Without a catalog it connects and discovers, with one it looks what
// the selected streams need, and reads the first rows of each. The error is check.ErrFailed when a
// check failed.
func examine(ctx context.Context, tap Tap, p *program.Started, catalog *singer.Catalog, patience time.Duration, out io.Writer) error {
	report := check.NewReport(patience, check.Lines(out, p.Hide))
	if catalog != nil {
		if c, ok := tap.(StreamChecker); ok {
			c.CheckStreams(ctx, p.Config, catalog, report)
		}
		report.Patience *= time.Duration(max(1, len(catalog.Selected())))
		report.Do(ctx, "read", func(ctx context.Context) (string, error) {
			return sampled(ctx, tap, p.Config, catalog)
		})
		return report.Err()
	}
	if c, ok := tap.(Checker); ok {
		c.Check(ctx, p.Config, report)
	}
	if report.Err() == nil {
		report.Do(ctx, "discover", func(ctx context.Context) (string, error) {
			found, err := tap.Discover(ctx, p.Config)
			if err != nil {
				return "", err
			}
			if len(found.Streams) == 0 {
				return "", fault.New(fault.Failed, "the source shows no stream").WithKind(fault.KindPermission).
					WithHint("does the login see anything? Do the settings name the right place?")
			}
			return check.Count(len(found.Streams), "stream"), nil
		})
	}
	return report.Err()
}

// sampled syncs until each stream gave its first batch.
func sampled(ctx context.Context, tap Tap, cfg spec.Config, catalog *singer.Catalog) (string, error) {
	s := &sample{slots: make(chan struct{}, Parallel(cfg)), acked: make(chan Position), full: map[string]bool{}}
	cfg = cfg.With("on_stream_error", "continue") // a stream that has given enough must not stop the others
	err := tested(tap.Sync(ctx, cfg, catalog, singer.Bookmarks{}, s))
	close(s.acked)
	if err != nil {
		return "", err
	}
	var empty []string
	selected := catalog.Selected()
	for _, c := range selected {
		if !s.full[c.ID()] && !s.full[c.Stream] {
			empty = append(empty, c.ID())
		}
	}
	detail := check.Count(len(selected), "stream") + ", with rows"
	if len(empty) > 0 {
		detail = fmt.Sprintf("%s, without rows: %s", check.Count(len(selected), "stream"), strings.Join(empty[:min(5, len(empty))], ", "))
	}
	if more := len(empty) - 5; more > 0 {
		detail += fmt.Sprintf(" and %d more", more)
	}
	return detail, nil
}

// sample is the Output of a check: it ends each stream at its first rows.
type sample struct {
	slots chan struct{}
	acked chan Position
	mu    sync.Mutex
	full  map[string]bool // streams that have rows
}

func (s *sample) Stream(ctx context.Context, schema *row.Schema) (Stream, error) {
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &sampledStream{s, schema.Stream, sync.OnceFunc(func() { <-s.slots })}, nil
}

func (s *sample) Parallel() int          { return cap(s.slots) }
func (s *sample) Acked() <-chan Position { return s.acked }

type sampledStream struct {
	of   *sample
	name string
	free func()
}

func (s *sampledStream) Write(b *row.Batch) error {
	rows := b.Len()
	b.Release()
	if rows == 0 {
		return nil
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.of.full[s.name] = true
	return errEnough
}

func (s *sampledStream) Schema(*row.Schema) error { return nil }
func (s *sampledStream) Position(Position) error  { return nil }
func (s *sampledStream) Activate(int64) error     { return nil }
func (s *sampledStream) End() error               { return nil }

func (s *sampledStream) Close() error {
	s.free()
	return nil
}

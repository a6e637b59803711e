package load

import (
	"context"
	"io"
	"time"

	"elt/internal/check"
	"elt/internal/program"
	"elt/targets"
)

// examine is a target's command line under --check: one JSON line per check
// on out. The error is check.ErrFailed when a check failed.
func examine(ctx context.Context, target targets.Target, p *program.Started, patience time.Duration, out io.Writer) error {
	report := check.NewReport(patience, check.Lines(out, p.Hide))
	if c, ok := target.(targets.Checker); ok {
		c.Check(ctx, p.Config, report)
		return report.Err()
	}
	report.Do(ctx, "open", func(ctx context.Context) (string, error) {
		sink, err := target.Open(ctx, p.Config)
		if err != nil {
			return "", err
		}
		return "", sink.Abort()
	})
	return report.Err()
}

package sqlite

import (
	"context"

	"elt/internal/check"
	"elt/internal/spec"
)

// Check implements taps.Checker.
func (tap) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	set, err := decode(cfg)
	if err != nil {
		report.Add("settings", "", err)
		return
	}
	set.Busy = 0 // a person need not wait
	report.Do(ctx, "open", func(ctx context.Context) (string, error) {
		s, err := open(ctx, set)
		if err != nil {
			return "", err
		}
		defer s.close()
		return check.Count(1+len(set.Attach), "file"), nil
	})
}

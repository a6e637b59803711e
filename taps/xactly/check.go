package xactly

import (
	"context"

	"elt/internal/check"
	"elt/internal/spec"
)

// Check implements taps.Checker.
func (tap) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	s, err := decode(cfg)
	report.Add("settings", "", err)
	if err != nil {
		return
	}
	a := s.connect()
	defer a.close()
	a.client.Check(ctx, s.root, report)
}

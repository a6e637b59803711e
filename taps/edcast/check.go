package edcast

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
	client := s.client()
	defer client.Close()
	client.Check(ctx, s.base, report)
}

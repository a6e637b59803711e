package rest

import (
	"context"

	"elt/internal/check"
	"elt/internal/spec"
	"elt/taps/httpapi"
)

// Check implements taps.Checker.
func (tap) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	s, client, err := ready(cfg)
	report.Add("settings", "", err)
	if err != nil {
		return
	}
	defer client.Close()
	client.Check(ctx, s.base, report)
}

// ready makes sure that all of the settings is sound.
func ready(cfg spec.Config) (*settings, *httpapi.Client, error) {
	s, err := decode(cfg)
	if err != nil {
		return nil, nil, err
	}
	if _, err := s.sources(); err != nil {
		return nil, nil, err
	}
	client, err := s.client()
	return s, client, err
}

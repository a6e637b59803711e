package cli

import (
	"context"

	"elt/internal/needs"
)

// Needs finds out what the project needs of its surroundings; all: also what
// plugins do that no job and no schedule names.
func (a *App) Needs(ctx context.Context, all bool) (*needs.Needs, error) {
	p, err := a.Project(ctx)
	if err != nil {
		return nil, err
	}
	resolver, err := a.Resolver(p)
	if err != nil {
		return nil, err
	}
	settings, err := a.Settings()
	if err != nil {
		return nil, err
	}
	uri := settings.String("database_uri")
	if uri == "" {
		uri = p.Setting("database_uri")
	}
	return needs.Of(ctx, needs.Options{Project: p, Resolver: resolver, Spec: a.Spec, StoreURI: uri, All: all})
}

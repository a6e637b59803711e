package api

import (
	"context"
	"sync"

	"elt/internal/project"
	"elt/internal/schedule"
)

// knowing is now, and registers the secrets of a project that has changed:
// what programs wrote is masked when it is shown, whoever wrote it (invariant 10).
func knowing(now func(context.Context) (*project.Project, schedule.Plan, error), secret func(...string)) func(context.Context) (*project.Project, schedule.Plan, error) {
	var mu sync.Mutex
	var known *project.Project
	return func(ctx context.Context) (*project.Project, schedule.Plan, error) {
		p, plan, err := now(ctx)
		if err != nil {
			return p, plan, err
		}
		mu.Lock()
		defer mu.Unlock()
		if p == known {
			return p, plan, nil
		}
		for _, plugin := range p.Plugins("") {
			settings, err := p.Settings(ctx, plugin, project.SettingsOptions{NoSecrets: true, Lenient: true})
			if err == nil { // else it cannot run, and its settings page says why
				secret(settings.Secrets()...)
			}
		}
		known = p
		return p, plan, nil
	}
}

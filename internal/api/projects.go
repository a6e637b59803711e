package api

import (
	"context"
	"net/http"
)

// Project is what this daemon serves: one project in one environment.
type Project struct {
	ID           string   `json:"id"`
	Environment  string   `json:"environment,omitempty"`
	Environments []string `json:"environments" doc:"All that the project has."`
	Digest       string   `json:"digest" doc:"Of the text of its files."`
	Jobs         int      `json:"jobs"`
	Schedules    int      `json:"schedules"`
	Store        string   `json:"store" doc:"The state store, without secrets."`
	Version      string   `json:"version" doc:"Of elt."`
	Warnings     []string `json:"warnings" doc:"What is odd in the project file."`
}

func (s *Server) projectRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/projects", "project.list", "projects", "The project that this daemon serves",
		"A list, though a daemon serves one project in one environment."), func(ctx context.Context, _ *struct{}) (*body[List[Project]], error) {
		p, plan, err := s.Now(ctx)
		if err != nil {
			return nil, err
		}
		one := Project{ID: plan.Project, Environment: plan.Environment, Environments: p.Environments(), Digest: plan.Digest, Jobs: len(plan.Jobs),
			Schedules: len(plan.Schedules), Store: s.Store.URI(), Version: s.Version, Warnings: []string{}}
		if one.Environments == nil {
			one.Environments = []string{}
		}
		for _, w := range p.Warnings {
			one.Warnings = append(one.Warnings, s.Mask(w))
		}
		return list([]Project{one}, ""), nil
	})
}

package api

import (
	"context"
	"net/http"
	"time"

	"elt/state"
)

// Alert is something that was found wrong, from when it was noticed until it was over.
type Alert struct {
	ID         string     `json:"id"`
	Kind       string     `json:"kind" doc:"failure, long_run, odd_volume, missed_slot, silent, stale, late_start, replication_lag: docs/alerts.md."`
	Pipeline   string     `json:"pipeline"`
	Summary    string     `json:"summary" doc:"One sentence."`
	Detail     string     `json:"detail,omitempty"`
	RunID      string     `json:"run_id,omitempty" doc:"The run that it is about."`
	Open       bool       `json:"open"`
	OpenedAt   time.Time  `json:"opened_at"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
}

type alertsInput struct {
	Open  bool `query:"open" doc:"Only those that are not over."`
	Limit int  `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most; older ones are not listed."`
}

func (s *Server) alertRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/alerts", "alert.list", "alerts", "List what is wrong, and what was",
		"Newest first. A daemon with the role scheduler judges; whom it tells is the project's `alerts`."), s.listAlerts)
}

func (s *Server) listAlerts(ctx context.Context, in *alertsInput) (*body[List[Alert]], error) {
	_, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	incidents, err := s.Store.Incidents(ctx, plan.Project, plan.Environment, in.Open, in.Limit)
	if err != nil {
		return nil, err
	}
	var items []Alert
	for _, i := range incidents {
		items = append(items, s.alert(i))
	}
	return list(items, ""), nil
}

func (s *Server) alert(i state.Incident) Alert {
	return Alert{ID: i.ID, Kind: i.Kind, Pipeline: i.Pipeline, Summary: s.Mask(i.Summary), Detail: s.Mask(i.Detail), RunID: i.Run,
		Open: i.Resolved == nil, OpenedAt: i.Opened, ResolvedAt: i.Resolved}
}

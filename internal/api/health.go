package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"elt/state"
)

func (s *Server) healthRoutes() {
	s.plain(ScopePublic, "/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	s.plain(ScopePublic, "/readyz", s.ready)
	s.plain(ScopePublic, Base+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_ = json.NewEncoder(w).Encode(s.OpenAPI()) // whoever hung up does not want it
	})
	if s.Metrics != nil {
		s.plain(ScopeRead, "/metrics", func(w http.ResponseWriter, r *http.Request) { s.Metrics.ServeHTTP(w, r) })
	}
}

// ready says whether requests should come here: the store is there, and the
// daemon is not stopping.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if s.isStopping() {
		s.write(w, r, problem(http.StatusServiceUnavailable, "stopping", "the daemon stops"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Second)
	defer cancel()
	if _, err := s.Store.Executions(ctx, state.Which{Limit: 1}); err != nil {
		s.write(w, r, problem(http.StatusServiceUnavailable, "store_away", "the state store cannot be reached"))
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// housekeeping forgets old sessions, tokens and entries of the audit.
func (s *Server) housekeeping(ctx context.Context) {
	const tokensKept, auditKept = 90 * 24 * time.Hour, 400 * 24 * time.Hour
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := s.Store.PruneTokens(ctx, tokensKept); err != nil && ctx.Err() == nil {
			s.Log.Warn().Err(err).Msg("old tokens could not be forgotten")
		}
		if err := s.Store.PruneDeeds(ctx, auditKept); err != nil && ctx.Err() == nil {
			s.Log.Warn().Err(err).Msg("the old audit could not be forgotten")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

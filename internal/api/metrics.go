package api

import "net/http"

// Metrics are what Prometheus scrapes.
type Metrics struct{ http.Handler }

// BackfillRequest asks for a backfill.
type BackfillRequest struct{}

// BackfillPlan is what a backfill would do.
type BackfillPlan struct{}

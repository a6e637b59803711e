package api

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// Deed is one entry of the audit.
type Deed struct {
	ID      int64           `json:"id"`
	At      time.Time       `json:"at"`
	Who     string          `json:"who"`
	TokenID string          `json:"token_id,omitempty"`
	Address string          `json:"address,omitempty"`
	Action  string          `json:"action" example:"run.start"`
	Object  string          `json:"object,omitempty"`
	TraceID string          `json:"trace_id,omitempty"`
	Status  int             `json:"status" doc:"The HTTP status that it was answered with."`
	Detail  json.RawMessage `json:"detail,omitempty"`
}

func (s *Server) listAudit(ctx context.Context, in *Page) (*body[List[Deed]], error) {
	before := int64(0)
	if in.Cursor != "" {
		var err error
		if before, err = strconv.ParseInt(in.Cursor, 10, 64); err != nil || before < 1 {
			return nil, badCursor()
		}
	}
	deeds, err := s.Store.Deeds(ctx, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(deeds) > in.Limit {
		deeds = deeds[:in.Limit]
		next = strconv.FormatInt(deeds[in.Limit-1].ID, 10)
	}
	var items []Deed
	for _, d := range deeds {
		items = append(items, Deed{d.ID, d.At, d.Who, d.Token, d.From, d.What, d.Object, d.Trace, d.Result, d.Detail})
	}
	return list(items, next), nil
}

package snowflake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"elt/internal/fake/snowflake/sql"
)

// monitor answers how far a query is.
func (s *Server) monitor(w http.ResponseWriter, r *http.Request) {
	ss := s.who(w, r)
	if ss == nil {
		return
	}
	s.mu.Lock()
	q := s.queries[r.PathValue("id")]
	s.mu.Unlock()
	if q == nil {
		send(w, reply{Success: true, Data: map[string]any{"queries": []any{}}})
		return
	}
	m := map[string]any{"id": q.id, "status": "RUNNING", "sqlText": q.text, "startTime": q.started.UnixMilli(), "errorCode": "", "errorMessage": ""}
	select {
	case <-q.done:
		m["status"], m["endTime"] = "SUCCESS", q.ended.UnixMilli()
		if q.err != nil {
			e := &sql.Error{Number: 300002}
			errors.As(q.err, &e)
			m["status"], m["errorCode"], m["errorMessage"] = "FAILED_WITH_ERROR", fmt.Sprintf("%06d", e.Number), e.Message
		}
	default:
	}
	send(w, reply{Success: true, Data: map[string]any{"queries": []any{m}}})
}

// abort stops a running statement, which then undoes what it did.
func (s *Server) abort(w http.ResponseWriter, r *http.Request) {
	ss := s.who(w, r)
	if ss == nil {
		return
	}
	var body struct{ RequestID string }
	json.NewDecoder(r.Body).Decode(&body)
	s.mu.Lock()
	var found *query
	for _, q := range s.queries {
		if q.request == body.RequestID && q.session == ss {
			select {
			case <-q.done:
			default:
				found = q
			}
		}
	}
	s.mu.Unlock()
	if found == nil {
		refuse(w, 605, "Identified SQL statement is not currently executing.")
		return
	}
	found.cancel()
	<-found.done
	send(w, reply{Success: true})
}

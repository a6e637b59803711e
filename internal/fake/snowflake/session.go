package snowflake

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// who finds the session of a request by its token; it answers itself if there
// is none or the token has expired.
func (s *Server) who(w http.ResponseWriter, r *http.Request) *session {
	token := bearer(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.token == token && token != "" {
			if time.Now().After(ss.expires) {
				refuse(w, 390112, "Your session has expired. Please login again.")
				return nil
			}
			return ss
		}
	}
	for _, ss := range s.sessions {
		if ss.master == token {
			refuse(w, 390104, "Incorrect authorization token was specified.")
			return nil
		}
	}
	refuse(w, 390111, "Session no longer exists.  New login required to access the service.")
	return nil
}

func bearer(r *http.Request) string {
	t := strings.TrimPrefix(r.Header.Get("Authorization"), `Snowflake Token="`)
	return strings.TrimSuffix(t, `"`)
}

// renew gives a new session token for a master token.
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	var body struct{ OldSessionToken, RequestType string }
	json.NewDecoder(r.Body).Decode(&body)
	master := bearer(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.master != master {
			continue
		}
		if time.Now().After(ss.dies) {
			refuse(w, 390114, "Authentication token has expired.  The user must authenticate again.")
			return
		}
		ss.token, ss.master = newToken(), newToken()
		ss.expires, ss.dies = time.Now().Add(s.sessionValidity), time.Now().Add(s.masterValidity)
		send(w, reply{Success: true, Data: map[string]any{"sessionToken": ss.token, "masterToken": ss.master, "sessionId": ss.id,
			"validityInSecondsST": int(s.sessionValidity.Seconds()), "validityInSecondsMT": int(s.masterValidity.Seconds())}})
		return
	}
	refuse(w, 390115, "Authentication token is invalid: no session has this master token.")
}

func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request) {
	if s.who(w, r) != nil {
		send(w, reply{Success: true})
	}
}

// logout ends the session: running statements are stopped, the transaction is
// rolled back, temporary tables go.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("delete") != "true" {
		http.NotFound(w, r)
		return
	}
	token := bearer(r)
	s.mu.Lock()
	var gone *session
	for id, ss := range s.sessions {
		if ss.token == token {
			gone = ss
			delete(s.sessions, id)
		}
	}
	if gone != nil {
		for _, q := range s.queries {
			if q.session == gone {
				q.cancel()
			}
		}
	}
	s.mu.Unlock()
	if gone == nil {
		refuse(w, 390111, "Session no longer exists.  New login required to access the service.")
		return
	}
	gone.engine.Close()
	send(w, reply{Success: true})
}

func (s *Server) sendTelemetry(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.sent++
	s.mu.Unlock()
	send(w, reply{Success: true, Data: "Log Received"})
}

// ExpireSessions makes every session token expired; the driver renews it.
func (s *Server) ExpireSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		ss.expires = time.Time{}
	}
}

// ExpireMasters makes master tokens expired too: only a new login helps.
func (s *Server) ExpireMasters() {
	s.ExpireSessions()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		ss.dies = time.Time{}
	}
}

// EndSessions ends every session, as the service does with those whose client
// has died: open transactions are rolled back, what is temporary goes.
func (s *Server) EndSessions() {
	s.mu.Lock()
	gone := s.sessions
	s.sessions = map[int64]*session{}
	for _, q := range s.queries {
		q.cancel()
	}
	s.mu.Unlock()
	for _, ss := range gone {
		ss.engine.Close()
	}
}

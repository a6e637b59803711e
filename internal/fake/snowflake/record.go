package snowflake

import (
	"context"
	"time"

	"elt/internal/fake/snowflake/engine"
)

// Statement is something that was executed.
type Statement struct {
	SQL            string
	Kind           string // SELECT, INSERT, MERGE, COPY, PUT, CREATE TABLE, …; of several statements the last
	Session        int64
	User           string
	RequestID      string
	QueryID        string
	QueryTag       string
	Database       string // in force when it began
	Schema         string
	Role           string
	Warehouse      string
	NeedsWarehouse bool // real Snowflake runs it on a warehouse
	InTransaction  bool // inside BEGIN … COMMIT
	Internal       bool // the driver's own
	Rows           int64
	Err            error
	Started, Ended time.Time
}

// Statements lists everything executed, in order. The driver sends PUT once
// per statement and once more per file.
func (s *Server) Statements() []Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Statement
	for _, st := range s.statements {
		if st.SQL != "" { // not still running
			out = append(out, st)
		}
	}
	return out
}

// ResetStatements forgets what was recorded, and the round trips.
func (s *Server) ResetStatements() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.statements {
		s.statements[i] = Statement{}
	}
	s.roundTrips = 0
}

// Query runs a statement aside of everything, for assertions: it sees what is
// committed, needs no warehouse and is not recorded. Cells are exact text:
// decimals with their scale, timestamps with all their digits and offset.
func (s *Server) Query(text string) (names []string, rows [][]any, err error) {
	es := s.engine.NewSession(0, UserName, Role, "", Database, "PUBLIC", map[string]string{"TIMEZONE": "UTC"})
	es.Admin = true
	defer es.Close()
	results, err := es.Execute(context.Background(), engine.Request{Text: text})
	if err != nil {
		return nil, nil, err
	}
	res := results[len(results)-1]
	for _, c := range res.Columns {
		names = append(names, c.Name)
	}
	for i := range res.Rows {
		cells := make([]engine.Value, len(res.Columns))
		res.Decode(i, cells)
		row := make([]any, len(cells))
		for j := range cells {
			row[j] = cells[j].Exact()
		}
		rows = append(rows, row)
	}
	return names, rows, nil
}

// Blocked lists the sessions whose statement waits for another's lock.
func (s *Server) Blocked() (ids []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, ss := range s.sessions {
		if ss.engine.Waits() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Running lists the SQL of the statements that run or wait.
func (s *Server) Running() (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queries {
		select {
		case <-q.done:
		default:
			texts = append(texts, q.text)
		}
	}
	return texts
}

package snowflake

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"elt/internal/fake/snowflake/engine"
	"elt/internal/fake/snowflake/sql"
)

// query is one execution. A request that comes again with the same id finds
// it here and executes nothing, as docs of the driver's retries count on.
type query struct {
	id, request string
	text        string
	session     *session
	async       bool
	cancel      context.CancelFunc
	started     time.Time
	done        chan struct{}

	// set before done closes
	results  []*engine.Result
	children []*query
	err      error
	ended    time.Time
	upload   *upload
	context  map[string]any // final… names and parameters
}

type queryRequest struct {
	SQLText      string
	AsyncExec    bool
	IsInternal   bool
	DescribeOnly bool
	Parameters   map[string]any
	Bindings     map[string]binding
	BindStage    string
}

type binding struct {
	Type  string
	Value any
}

// query answers the query endpoint.
func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	ss := s.who(w, r)
	if ss == nil {
		return
	}
	var req queryRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuse(w, 390100, "request body: %v", err)
		return
	}
	q, err := s.start(ss, r.URL.Query().Get("requestId"), &req, injected(r.Context()))
	if err != nil {
		s.sendError(w, &query{session: ss}, err)
		return
	}
	if q.async {
		s.sendProgress(w, q)
		return
	}
	s.await(w, r, q)
}

// start begins an execution, or finds the one the request began before.
func (s *Server) start(ss *session, request string, req *queryRequest, fault error) (*query, error) {
	key := request + "\x00" + req.SQLText
	s.mu.Lock()
	if q := s.requests[key]; q != nil && q.session == ss && request != "" {
		s.mu.Unlock()
		return q, nil
	}
	s.mu.Unlock()
	er, err := engineRequest(req, ss)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(s.stop)
	q := &query{id: uuid.NewString(), request: request, text: req.SQLText, session: ss, async: req.AsyncExec, cancel: cancel, started: time.Now(), done: make(chan struct{})}
	er.ID = q.id
	st := &Statement{SQL: req.SQLText, Session: ss.id, User: ss.user, RequestID: request, QueryID: q.id, Internal: req.IsInternal, Started: q.started}
	tag, _ := req.Parameters["QUERY_TAG"].(string)
	s.mu.Lock()
	s.queries[q.id] = q
	if request != "" {
		s.requests[key] = q
	}
	s.running.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.running.Done()
		defer cancel()
		s.execute(ctx, q, er, st, tag, req, fault)
	}()
	return q, nil
}

// execute runs one request in its session and records it.
func (s *Server) execute(ctx context.Context, q *query, er engine.Request, st *Statement, tag string, req *queryRequest, fault error) {
	ss := q.session
	ss.serial.Lock()
	defer ss.serial.Unlock()
	if tag == "" {
		tag = ss.engine.Parameter("QUERY_TAG")
	}
	st.QueryTag = tag
	st.Role, st.Warehouse, st.Database, st.Schema = ss.engine.Role, ss.engine.Warehouse, ss.engine.Database, ss.engine.Schema
	if n, _ := strconv.Atoi(ss.engine.Parameter("STATEMENT_TIMEOUT_IN_SECONDS")); n > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Duration(n)*time.Second)
		defer stop()
	}
	s.mu.Lock()
	s.statements = append(s.statements, Statement{})
	at := len(s.statements) - 1
	s.mu.Unlock()
	switch {
	case fault != nil:
		q.err = fault
	case req.DescribeOnly:
		q.err = sql.Unsupported("describeOnly")
	default:
		q.results, q.err = ss.engine.Execute(ctx, er)
	}
	for _, res := range q.results {
		st.Kind, st.NeedsWarehouse, st.InTransaction = res.Kind, st.NeedsWarehouse || res.Warehouse, st.InTransaction || res.InTx
		st.Rows += res.Changed
		if res.Changed == 0 {
			st.Rows += int64(len(res.Rows))
		}
		if res.Put != nil && q.err == nil {
			q.upload = s.newUpload(res.Put, q)
		}
	}
	st.Err, st.Ended = q.err, time.Now()
	q.ended = st.Ended
	q.context = map[string]any{"finalDatabaseName": ss.engine.Database, "finalSchemaName": ss.engine.Schema, "finalWarehouseName": ss.engine.Warehouse,
		"finalRoleName": ss.engine.Role, "parameters": s.clientParameters(ss)}
	s.mu.Lock()
	s.statements[at] = *st
	if q.err == nil && len(q.results) > 1 {
		for _, res := range q.results {
			c := &query{id: uuid.NewString(), session: ss, done: make(chan struct{}), results: []*engine.Result{res}, context: q.context, cancel: func() {}}
			close(c.done)
			s.queries[c.id] = c
			q.children = append(q.children, c)
		}
	}
	s.mu.Unlock()
	close(q.done)
}

// engineRequest turns the wire's request into the engine's.
func engineRequest(req *queryRequest, ss *session) (engine.Request, error) {
	er := engine.Request{Text: req.SQLText, Count: 1}
	count := any(ss.engine.Parameter("MULTI_STATEMENT_COUNT"))
	if c, ok := req.Parameters["MULTI_STATEMENT_COUNT"]; ok {
		count = c
	}
	if _, err := fmt.Sscanf(fmt.Sprint(count), "%d", &er.Count); err != nil {
		er.Count = 1
	}
	er.Stage = req.BindStage
	for i := 1; i <= len(req.Bindings); i++ {
		b, ok := req.Bindings[strconv.Itoa(i)]
		if !ok {
			return er, sql.Unsupported("named bindings")
		}
		if list, ok := b.Value.([]any); ok { // one value per row
			for len(er.Rows) < len(list) {
				er.Rows = append(er.Rows, nil)
			}
			for n, x := range list {
				v, err := bound(b.Type, x)
				if err != nil {
					return er, err
				}
				er.Rows[n] = append(er.Rows[n], v)
			}
			continue
		}
		v, err := bound(b.Type, b.Value)
		if err != nil {
			return er, err
		}
		er.Binds = append(er.Binds, v)
	}
	return er, nil
}

func bound(typ string, x any) (engine.Value, error) {
	if x == nil {
		return engine.BindValue(typ, nil)
	}
	s := fmt.Sprint(x)
	return engine.BindValue(typ, &s)
}

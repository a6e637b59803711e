package snowflake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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

// await answers when the query is done, or after the hold that it is not.
func (s *Server) await(w http.ResponseWriter, r *http.Request, q *query) {
	t := time.NewTimer(s.hold)
	defer t.Stop()
	select {
	case <-q.done:
		s.sendResult(w, q)
	case <-t.C:
		s.sendProgress(w, q)
	case <-r.Context().Done(): // the client went; the query goes on
	case <-s.stop.Done():
	}
}

func (s *Server) sendProgress(w http.ResponseWriter, q *query) {
	code, msg := "333333", "Query execution in progress."
	if q.async {
		code, msg = "333334", "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."
	}
	send(w, reply{Success: true, Code: code, Message: msg, Data: map[string]any{"getResultUrl": "/queries/" + q.id + "/result", "queryId": q.id,
		"progressDesc": nil, "queryAbortsAfterSecs": 300}})
}

func (s *Server) sendError(w http.ResponseWriter, q *query, err error) {
	e := &sql.Error{Number: 300002, State: "XX000", Message: "fake: internal error: " + err.Error()}
	errors.As(err, &e)
	send(w, reply{Code: fmt.Sprintf("%06d", e.Number), Message: e.Message, Data: map[string]any{"internalError": false, "errorCode": fmt.Sprintf("%06d", e.Number),
		"age": 0, "sqlState": e.State, "queryId": q.id, "line": -1, "pos": -1, "type": "COMPILATION"}})
}

func (s *Server) sendResult(w http.ResponseWriter, q *query) {
	if q.err != nil {
		s.sendError(w, q, q.err)
		return
	}
	data := map[string]any{"queryId": q.id, "sqlState": "00000", "databaseProvider": nil, "numberOfBinds": 0, "arrayBindSupported": false, "version": 1, "queryResultFormat": "json"}
	for k, v := range q.context {
		data[k] = v
	}
	if len(q.children) > 0 {
		var ids, types []string
		for _, c := range q.children {
			ids, types = append(ids, c.id), append(types, strconv.FormatInt(c.results[0].Type, 10))
		}
		data["resultIds"], data["resultTypes"], data["statementTypeId"] = strings.Join(ids, ","), strings.Join(types, ","), 0xA000
		data["rowtype"], data["rowset"], data["total"], data["returned"] = []any{map[string]any{"name": "multiple statement execution", "type": "text", "nullable": false}}, [][]string{{"Multiple statements executed successfully."}}, 1, 1
		send(w, reply{Success: true, Data: data})
		return
	}
	res := q.results[0]
	data["statementTypeId"] = res.Type
	if q.upload != nil {
		s.uploadReply(data, q.upload)
		send(w, reply{Success: true, Data: data})
		return
	}
	var types []any
	for _, c := range res.Columns {
		types = append(types, c.WireType())
	}
	first := min(len(res.Rows), s.chunkRows)
	data["rowtype"], data["rowset"] = types, wireRows(res, 0, first)
	data["total"], data["returned"] = len(res.Rows), len(res.Rows)
	if first < len(res.Rows) {
		var chunks []any
		for n := 1; n*s.chunkRows < len(res.Rows); n++ {
			rows := min(len(res.Rows)-n*s.chunkRows, s.chunkRows)
			chunks = append(chunks, map[string]any{"url": fmt.Sprintf("%s/chunks/%s/%d", s.URL(), q.id, n), "rowCount": rows, "uncompressedSize": rows * 64, "compressedSize": rows * 64})
		}
		data["chunks"], data["qrmk"], data["chunkHeaders"] = chunks, nil, map[string]string{"x-fake-chunk": "1"}
	}
	send(w, reply{Success: true, Data: data})
}

func wireRows(res *engine.Result, from, to int) [][]*string {
	out := make([][]*string, 0, to-from)
	cells := make([]engine.Value, len(res.Columns))
	for i := from; i < to; i++ {
		res.Decode(i, cells)
		row := make([]*string, len(cells))
		for j := range cells {
			row[j] = cells[j].Wire()
		}
		out = append(out, row)
	}
	return out
}

// chunk sends part of a large result: rows parted by commas.
func (s *Server) chunk(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	q := s.queries[r.PathValue("id")]
	s.mu.Unlock()
	n, err := strconv.Atoi(r.PathValue("n"))
	if q == nil || err != nil || r.Header.Get("x-fake-chunk") == "" {
		http.Error(w, "no such chunk", http.StatusForbidden)
		return
	}
	res := q.results[0]
	for i, row := range wireRows(res, n*s.chunkRows, min((n+1)*s.chunkRows, len(res.Rows))) {
		b, _ := json.Marshal(row)
		if i > 0 {
			w.Write([]byte(","))
		}
		w.Write(b)
	}
}

func (s *Server) byID(w http.ResponseWriter, r *http.Request) *query {
	ss := s.who(w, r)
	if ss == nil {
		return nil
	}
	s.mu.Lock()
	q := s.queries[r.PathValue("id")]
	s.mu.Unlock()
	if q == nil {
		refuse(w, 612, "Result for query %s not found", r.PathValue("id"))
	}
	return q
}

func (s *Server) result(w http.ResponseWriter, r *http.Request) {
	if q := s.byID(w, r); q != nil {
		s.await(w, r, q)
	}
}

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

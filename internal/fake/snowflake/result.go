package snowflake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"elt/internal/fake/snowflake/engine"
	"elt/internal/fake/snowflake/sql"
)

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

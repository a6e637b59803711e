package edcast

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// domo is a fake of Domo's API, faithful in what its documents and clients
// say of it: short-lived tokens, lists of 50 at most, capped and slow queries,
// passing errors. It is an HTTP server of the test and knows nothing of the tap.
type domo struct {
	*httptest.Server
	mu       sync.Mutex
	secret   string
	tokens   int
	uses     int // that the newest token is good for
	perToken int
	sets     []*set
	cap      int      // rows a query gives, 0: all
	slow     int      // a query over more rows does not come back, 0: none
	faults   []string // what the next queries answer: 429, 503, query, cut
	queries  []string
	requests []string
}

// set is a dataset; its values are text, "" for none.
type set struct {
	id, name string
	columns  [][2]string // name and type
	rows     [][]string
}

func newDomo(t *testing.T, sets ...*set) *domo {
	d := &domo{secret: "canary-secret", perToken: 1000, sets: sets}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *domo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, r.Method+" "+r.URL.Path)
	if r.URL.Path == "/oauth/token" {
		d.token(w, r)
		return
	}
	if d.uses--; r.Header.Get("Authorization") != fmt.Sprintf("bearer token-%d-canary", d.tokens) && r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d-canary", d.tokens) || d.uses < 0 {
		d.fail(w, 401, "Unauthorized")
		return
	}
	path, isQuery := strings.CutPrefix(r.URL.Path, "/v1/datasets/query/execute/")
	if isQuery {
		d.query(w, r, d.find(path))
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.URL.Path == "/v1/datasets":
		d.list(w, r)
	case len(parts) == 3:
		d.schema(w, d.find(parts[2]))
	case len(parts) == 4 && parts[3] == "data":
		d.export(w, r, d.find(parts[2]))
	default:
		d.fail(w, 404, "Not Found")
	}
}

func (d *domo) fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status":%d,"statusReason":%q,"message":%q}`, status, http.StatusText(status), text)
}

func (d *domo) find(id string) *set {
	for _, s := range d.sets {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (d *domo) token(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "data" || user != "client" || password != d.secret {
		d.fail(w, 401, "Bad credentials for "+password)
		return
	}
	d.tokens++
	d.uses = d.perToken
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"token-%d-canary","customer":"glue","expires_in":3599,"jti":"x","role":"Admin","scope":"data","token_type":"bearer","userId":1}`, d.tokens)
}

func (d *domo) list(w http.ResponseWriter, r *http.Request) {
	offset, _ := strconv.Atoi(r.FormValue("offset"))
	limit, _ := strconv.Atoi(r.FormValue("limit"))
	if limit < 1 || limit > 50 {
		d.fail(w, 400, "limit must be from 1 to 50")
		return
	}
	items := []map[string]any{}
	for _, s := range d.sets[min(offset, len(d.sets)):min(offset+limit, len(d.sets))] {
		items = append(items, map[string]any{"id": s.id, "name": s.name, "rows": len(s.rows), "columns": len(s.columns), "owner": map[string]any{"id": 1, "name": "EdCast"},
			"createdAt": "2021-12-01T00:00:00Z", "updatedAt": "2022-01-01T00:00:00Z", "pdpEnabled": false})
	}
	_ = json.NewEncoder(w).Encode(items)
}

func (d *domo) schema(w http.ResponseWriter, s *set) {
	if s == nil {
		d.fail(w, 404, "no such dataset")
		return
	}
	var columns []map[string]string
	for _, c := range s.columns {
		columns = append(columns, map[string]string{"name": c[0], "type": c[1]})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"id": s.id, "name": s.name, "schema": map[string]any{"columns": columns}})
}

func (d *domo) export(w http.ResponseWriter, r *http.Request, s *set) {
	if s == nil || !strings.Contains(r.Header.Get("Accept"), "text/csv") {
		d.fail(w, 406, "only text/csv")
		return
	}
	out := csv.NewWriter(w)
	if r.FormValue("includeHeader") == "true" { // off by default
		var names []string
		for _, c := range s.columns {
			names = append(names, c[0])
		}
		_ = out.Write(names)
	}
	_ = out.WriteAll(s.rows)
}

var (
	statement = regexp.MustCompile("(?is)^SELECT (.+?) FROM table(?: WHERE (.+?))?(?: ORDER BY (.+?))?(?: LIMIT (\\d+))?(?: OFFSET (\\d+))?$")
	condition = regexp.MustCompile("^`?([^`]+?)`? *(>=|<=|<>|=|<|>) *'([^']*)'$")
)

func (d *domo) query(w http.ResponseWriter, r *http.Request, s *set) {
	var ask struct{ SQL string }
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || s == nil {
		d.fail(w, 400, "bad request")
		return
	}
	d.queries = append(d.queries, ask.SQL)
	fault := ""
	if len(d.faults) > 0 {
		fault, d.faults = d.faults[0], d.faults[1:]
	}
	switch fault {
	case "429":
		w.Header().Set("Retry-After", "0")
		d.fail(w, 429, "slow down")
		return
	case "503":
		d.fail(w, 503, "try later")
		return
	case "query":
		d.fail(w, 400, "Error creating query")
		return
	}
	rows, err := s.run(ask.SQL)
	if err != nil {
		d.fail(w, 400, err.Error())
		return
	}
	if d.slow > 0 && len(rows) > d.slow {
		// It computes for longer than anybody waits.
		d.mu.Unlock()
		<-r.Context().Done()
		d.mu.Lock()
		return
	}
	if d.cap > 0 && len(rows) > d.cap {
		rows = rows[:d.cap]
	}
	raw := s.answer(rows)
	if fault == "cut" {
		w.Header().Set("Content-Length", strconv.Itoa(len(raw)))
		raw = raw[:len(raw)/2]
	}
	_, _ = w.Write(raw)
}

// run evaluates SELECT * with compared columns, ORDER BY, LIMIT and OFFSET.
func (s *set) run(sql string) ([][]string, error) {
	m := statement.FindStringSubmatch(strings.TrimSpace(sql))
	if m == nil || m[1] != "*" {
		return nil, fmt.Errorf("cannot parse %s", sql)
	}
	index := func(name string) (int, error) {
		name = strings.Trim(name, "` ")
		for i, c := range s.columns {
			if c[0] == name {
				return i, nil
			}
		}
		return 0, fmt.Errorf("no column %s", name)
	}
	rows := slices.Clone(s.rows)
	if m[2] != "" {
		for _, part := range strings.Split(m[2], " AND ") {
			c := condition.FindStringSubmatch(strings.TrimSpace(part))
			if c == nil {
				return nil, fmt.Errorf("cannot parse %s", part)
			}
			i, err := index(c[1])
			if err != nil {
				return nil, err
			}
			rows = slices.DeleteFunc(rows, func(r []string) bool {
				if r[i] == "" {
					return true // NULL compares with nothing
				}
				n := strings.Compare(r[i], c[3])
				return !map[string]bool{">=": n >= 0, "<=": n <= 0, "<>": n != 0, "=": n == 0, "<": n < 0, ">": n > 0}[c[2]]
			})
		}
	}
	if m[3] != "" {
		i, err := index(m[3])
		if err != nil {
			return nil, err
		}
		slices.SortStableFunc(rows, func(a, b []string) int { return cmp.Compare(a[i], b[i]) })
	}
	if offset, _ := strconv.Atoi(m[5]); offset > 0 {
		rows = rows[min(offset, len(rows)):]
	}
	if m[4] != "" {
		limit, _ := strconv.Atoi(m[4])
		rows = rows[:min(limit, len(rows))]
	}
	return rows, nil
}

func (s *set) answer(rows [][]string) []byte {
	out := map[string]any{"datasource": s.id, "numRows": len(rows), "numColumns": len(s.columns), "fromcache": false}
	var names, types []any
	for _, c := range s.columns {
		names, types = append(names, c[0]), append(types, map[string]any{"type": c[1], "dataSourceId": s.id, "maxLength": -1})
	}
	all := [][]any{}
	for _, r := range rows {
		line := make([]any, len(r))
		for i, v := range r {
			switch kind := s.columns[i][1]; {
			case v == "" && kind != "STRING":
				line[i] = nil
			case kind == "LONG", kind == "DOUBLE", kind == "DECIMAL":
				if json.Valid([]byte(v)) {
					line[i] = json.Number(v)
				} else {
					line[i] = v
				}
			default:
				line[i] = v
			}
		}
		all = append(all, line)
	}
	out["columns"], out["metadata"], out["rows"] = names, types, all
	raw, _ := json.Marshal(out)
	return raw
}

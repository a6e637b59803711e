package domo

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// escaped is the secret as RFC 6749 writes it in Basic credentials.
var escaped = url.QueryEscape(Secret)

func (s *Server) list(r *http.Request) answer {
	offset, _ := strconv.Atoi(r.FormValue("offset"))
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 || limit > 50 || offset < 0 {
		return failure(400, "limit must be from 1 to 50")
	}
	items := []map[string]any{}
	for _, d := range s.sets[min(offset, len(s.sets)):min(offset+limit, len(s.sets))] {
		items = append(items, map[string]any{"id": d.ID, "name": d.Name, "rows": len(d.Rows), "columns": len(d.Columns), "owner": map[string]any{"id": 1, "name": "EdCast"},
			"createdAt": "2021-12-01T00:00:00Z", "updatedAt": "2022-01-01T00:00:00Z", "pdpEnabled": false})
	}
	raw, _ := json.Marshal(items)
	return success("application/json", raw)
}

func (s *Server) schema(id string) answer {
	d := s.find(id)
	if d == nil {
		return failure(404, "no such dataset")
	}
	var columns []map[string]string
	for _, c := range d.Columns {
		columns = append(columns, map[string]string{"name": c[0], "type": c[1]})
	}
	raw, _ := json.Marshal(map[string]any{"id": d.ID, "name": d.Name, "schema": map[string]any{"columns": columns}})
	return success("application/json", raw)
}

func (s *Server) export(r *http.Request, d *Dataset) answer {
	if !strings.Contains(r.Header.Get("Accept"), "text/csv") {
		return failure(406, "only text/csv")
	}
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	if r.FormValue("includeHeader") == "true" { // off by default
		var names []string
		for _, c := range d.Columns {
			names = append(names, c[0])
		}
		_ = out.Write(names)
	}
	_ = out.WriteAll(d.Rows)
	return success("text/csv", b.Bytes())
}

func (s *Server) query(r *http.Request, d *Dataset) answer {
	var ask struct{ SQL string }
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		return failure(400, "bad request")
	}
	s.queries = append(s.queries, ask.SQL)
	columns, rows, err := d.run(ask.SQL)
	if err != nil {
		return failure(400, err.Error())
	}
	if s.do.Slow > 0 && len(rows) > s.do.Slow {
		return answer{fault: "hang"} // it computes for longer than anybody waits
	}
	if s.do.Busy > 0 && len(rows) > s.do.Busy {
		return failure(504, "Gateway Timeout")
	}
	if s.do.Cap > 0 && len(rows) > s.do.Cap {
		rows = rows[:s.do.Cap]
	}
	return success("application/json", d.answer(columns, rows))
}

var (
	statement = regexp.MustCompile("(?is)^SELECT (.+?) FROM table(?: WHERE (.+?))?(?: ORDER BY (.+?))?(?: LIMIT (\\d+))?(?: OFFSET (\\d+))?$")
	condition = regexp.MustCompile("^`?([^`]+?)`? *(>=|<=|<>|=|<|>) *'([^']*)'$")
	and       = regexp.MustCompile(`(?i) AND `)
)

// run evaluates a SELECT of all or some columns with compared columns, ORDER
// BY, LIMIT and OFFSET; it gives the indexes of its columns.
func (d *Dataset) run(sql string) ([]int, [][]string, error) {
	m := statement.FindStringSubmatch(strings.TrimSpace(sql))
	if m == nil {
		return nil, nil, fmt.Errorf("cannot parse %s", sql)
	}
	index := func(name string) (int, error) {
		name = strings.Trim(name, "` ")
		for i, c := range d.Columns {
			if c[0] == name {
				return i, nil
			}
		}
		return 0, fmt.Errorf("no column %s", name)
	}
	var columns []int
	if strings.TrimSpace(m[1]) == "*" {
		for i := range d.Columns {
			columns = append(columns, i)
		}
	} else {
		for _, name := range strings.Split(m[1], ",") {
			i, err := index(name)
			if err != nil {
				return nil, nil, err
			}
			columns = append(columns, i)
		}
	}
	rows := slices.Clone(d.Rows)
	if m[2] != "" {
		for _, part := range and.Split(m[2], -1) {
			c := condition.FindStringSubmatch(strings.TrimSpace(part))
			if c == nil {
				return nil, nil, fmt.Errorf("cannot parse %s", part)
			}
			i, err := index(c[1])
			if err != nil {
				return nil, nil, err
			}
			rows = slices.DeleteFunc(rows, func(r []string) bool { return !holds(r[i], c[2], c[3]) })
		}
	}
	if m[3] != "" {
		i, err := index(m[3])
		if err != nil {
			return nil, nil, err
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
	return columns, rows, nil
}

// holds compares texts; NULL compares with nothing.
func holds(value, operator, with string) bool {
	n := strings.Compare(value, with)
	switch {
	case value == "":
		return false
	case operator == ">=":
		return n >= 0
	case operator == "<=":
		return n <= 0
	case operator == "<>":
		return n != 0
	case operator == "=":
		return n == 0
	case operator == "<":
		return n < 0
	}
	return n > 0
}

func (d *Dataset) answer(columns []int, rows [][]string) []byte {
	var names, types []any
	for _, i := range columns {
		c := d.Columns[i]
		names, types = append(names, c[0]), append(types, map[string]any{"type": c[1], "dataSourceId": d.ID, "maxLength": -1})
	}
	all := [][]any{}
	for _, r := range rows {
		line := make([]any, len(columns))
		for n, i := range columns {
			line[n] = value(d.Columns[i][1], r[i])
		}
		all = append(all, line)
	}
	raw, _ := json.Marshal(map[string]any{"datasource": d.ID, "columns": names, "metadata": types, "rows": all,
		"numRows": len(rows), "numColumns": len(columns), "fromcache": false})
	return raw
}

func value(kind, text string) any {
	switch {
	case text == "" && kind != "STRING":
		return nil
	case (kind == "LONG" || kind == "DOUBLE" || kind == "DECIMAL") && json.Valid([]byte(text)):
		return json.Number(text)
	}
	return text
}

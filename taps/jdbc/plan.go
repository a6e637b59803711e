package jdbc

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
)

const incremental = singer.Incremental

// selection is what the user's catalog, or his settings, say of one stream.
type selection struct {
	id, name             string
	schema, table, query string // of table and query one is ""
	method, key          string
	keys                 []string
	columns              []string // nil: all
}

// plan is how one stream is read in this run.
type plan struct {
	selection
	set    *settings
	bridge *bridge // for names in statements

	found   []column // what there is; nil for a query that is read as it is
	order   []*column
	replica *column // the replication key, nil without one

	from, to string          // what the replication key lies between, "" without; in the form of a parameter
	floor    *row.Instant    // with a look-back, the bookmark: positions do not go back behind it
	prior    json.RawMessage // the bookmark as it was
}

// newPlan joins what the user selected with the bookmark.
func newPlan(sel selection, s *settings, bookmarks singer.Bookmarks) (*plan, error) {
	p := &plan{selection: sel, set: s, prior: bookmarks.Stream(sel.id)}
	if p.method == "" {
		if p.method = s.Method; p.key != "" {
			p.method = incremental
		}
	}
	p.method = strings.ToUpper(p.method)
	switch {
	case p.method == singer.LogBased:
		return nil, fault.New(fault.BadConfig, "JDBC has no LOG_BASED replication").WithHint("set replication-method to INCREMENTAL with a replication-key, or to FULL_TABLE")
	case p.method != singer.FullTable && p.method != incremental:
		return nil, fault.New(fault.BadConfig, "replication method %q is unknown", p.method).WithHint("it is FULL_TABLE or INCREMENTAL")
	case p.method == incremental && p.key == "":
		return nil, fault.New(fault.BadConfig, "replication method INCREMENTAL needs a replication key").
			WithHint("set the metadata replication-key, or replication_key of the stream, to a column that grows with every change")
	case p.columns != nil && len(p.columns) == 0 && len(p.keys) == 0:
		return nil, fault.New(fault.BadConfig, "none of its columns is selected").WithHint("select some, or deselect the stream")
	}
	return p, nil
}

// asked says that the statements need to know the columns before.
func (p *plan) asked() bool {
	return p.method == incremental || p.set.Page > 0 || p.table != "" || p.columns != nil
}

// prepare finishes the plan with the columns that b describes.
func (p *plan) prepare(b *bridge) (err error) {
	p.bridge = b
	if !p.asked() {
		return nil
	}
	if p.found, err = b.describe(p.everything()); err != nil {
		return p.explain(err)
	}
	for i, k := range p.keys {
		c := named(p.found, k)
		if c == nil {
			return missing(p.found, "key property", k)
		}
		p.keys[i] = c.Name
		p.order = append(p.order, c)
	}
	if p.method != incremental {
		return nil
	}
	if p.replica = named(p.found, p.key); p.replica == nil {
		return missing(p.found, "replication key", p.key)
	}
	if p.replica.Kind == row.JSON || p.replica.Kind == row.Bytes {
		return fault.New(fault.BadConfig, "replication key %q has the type %s, which has no order", p.key, p.replica.sqlType).WithHint("choose another replication key")
	}
	p.key = p.replica.Name
	p.order = slices.DeleteFunc(p.order, func(c *column) bool { return c == p.replica })
	p.order = append([]*column{p.replica}, p.order...)
	return p.window()
}

// taken are the columns to be read: the selected ones and those of the keys.
func (p *plan) taken() []column {
	if p.columns == nil {
		return p.found
	}
	var out []column
	for _, c := range p.found {
		if slices.Contains(p.columns, c.Name) || slices.Contains(p.keys, c.Name) || p.replica != nil && c.Name == p.replica.Name {
			out = append(out, c)
		}
	}
	return out
}

// paged: pages can follow each other, for there is a key to go on from.
func (p *plan) paged() bool {
	return p.set.Page > 0 && len(p.keys) > 0 && !slices.ContainsFunc(p.order, func(c *column) bool {
		return c.Kind == row.JSON || c.Kind == row.Bytes || c.Kind == row.Float64
	})
}

// window sets where the replication key begins and ends.
func (p *plan) window() error {
	mark, err := parseBookmark(p.prior)
	if err != nil {
		return err
	}
	if mark.Value != nil && (mark.Key == "" || strings.EqualFold(mark.Key, p.key)) {
		if p.from, p.floor, err = mark.bound(&p.replica.Column, time.Duration(p.set.Lookback*float64(time.Second))); err != nil {
			return err
		}
	}
	if p.set.start.IsZero() && p.set.end.IsZero() {
		return nil
	}
	switch c := &p.replica.Column; {
	case temporal(c):
		start, end := dateBound(c, p.set.start), dateBound(c, p.set.end)
		if start != "" && (p.from == "" || before(p.from, start)) {
			p.from = start
		}
		p.to = end
	case c.Kind == row.Text:
		if p.from == "" || p.from < p.set.StartDate {
			p.from = p.set.StartDate
		}
		p.to = p.set.EndDate
	case !p.set.end.IsZero():
		return fault.New(fault.BadConfig, "end_date is set, but the replication key %q has the type %s and cannot be compared with a date", p.key, p.replica.sqlType).
			WithHint("choose a replication key that is a date or a timestamp, or deselect the stream")
	}
	return nil
}

func (p *plan) what() string {
	if p.table == "" {
		return "the query of stream " + p.id
	}
	return "table " + strings.TrimPrefix(p.schema+"."+p.table, ".")
}

package xactly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/taps/httpapi"
)

// api is Xactly Connect: it executes a statement and keeps the result at a
// place of its own, from where it is read in pieces.
type api struct {
	client *httpapi.Client
	login  *login
	root   *url.URL // ends with /api
	schema string
}

// errLost says that a result is gone, or not what it was: it expired, or the
// service forgot it. The statement is to be executed again.
var errLost = errors.New("the service lost the result of the query")

// execute runs a statement and returns the place of its result.
func (a *api) execute(ctx context.Context, statement string) (*url.URL, error) {
	body, err := json.Marshal(map[string]string{"command": statement, "defaultSchema": a.schema})
	if err != nil {
		return nil, err
	}
	at := a.root.JoinPath("connect", "v1", "xdbc", "execute")
	res, err := a.client.Do(ctx, &httpapi.Request{Method: "POST", URL: at, Body: body, Header: jsonHeader()})
	var status *httpapi.StatusError
	if errors.As(err, &status) && status.Status == http.StatusBadRequest {
		return nil, fault.Wrap(fault.Failed, err, "the service refuses the query").WithKind(fault.KindPath).
			WithHint("deselect the table or the columns that your Xactly does not have; a table's own columns may be given in the setting tables")
	}
	if err != nil {
		return nil, err
	}
	res.Close()
	location := res.Header.Get("Location")
	if location == "" {
		return nil, fault.New(fault.BadInput, "%s: the answer has no Location, where the result should be", res.Place).WithHint("the service changed, or url_base is another one")
	}
	result, err := a.resolve(location)
	if err != nil {
		return nil, err
	}
	return result, a.client.Allowed(at, result)
}

// resolve is where a Location leads. The service leaves /api out at times;
// a relative one without a slash stands below execute's own path.
func (a *api) resolve(location string) (*url.URL, error) {
	to, err := url.Parse(location)
	if err != nil {
		return nil, fault.New(fault.BadInput, "the Location of a result is no URL")
	}
	if to.Host != "" && to.Host != a.root.Host {
		return to, nil
	}
	at, query := *a.root, to.RawQuery
	if to.Host != "" && to.Scheme != "" {
		at.Scheme = to.Scheme
	}
	path := to.EscapedPath()
	own := a.root.EscapedPath() + "/"
	switch {
	case strings.HasPrefix(path, own):
		path = path[len(own):]
	case strings.HasPrefix(path, "/api/"):
		path = path[len("/api/"):]
	case strings.HasPrefix(path, "api/"):
		path = path[len("api/"):]
	case !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "connect/"):
		path = "connect/v1/xdbc/" + path
	}
	result := at.JoinPath(path)
	result.RawQuery = query
	return result, nil
}

// piece asks for rows of a result and calls visit with each, in order, and its
// place in the answer. total is how many rows the result has, n how many came.
func (a *api) piece(ctx context.Context, at *url.URL, start, size int, visit func(place string, n int, row []byte) error) (n, total int, err error) {
	u := *at
	q := u.Query()
	q.Set("start", strconv.Itoa(start))
	q.Set("size", strconv.Itoa(size))
	u.RawQuery = q.Encode()
	res, err := a.client.Do(ctx, &httpapi.Request{Method: "GET", URL: &u, Header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		var status *httpapi.StatusError
		if errors.As(err, &status) && expired(status) {
			return 0, 0, fmt.Errorf("%w: %w", errLost, err)
		}
		return 0, 0, err
	}
	defer res.Close()
	doc, err := res.Bytes()
	if err != nil {
		return 0, 0, err
	}
	rows, total, err := shape(doc)
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", res.Place, err)
	}
	err = singer.EachElement(rows, func(row []byte) error {
		n++
		if n > size {
			return fault.New(fault.BadInput, "%s: %d rows were asked for and more came", res.Place, size)
		}
		return visit(res.Place, n-1, row)
	})
	return n, total, err
}

// expired says whether a result's place is gone.
func expired(e *httpapi.StatusError) bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone ||
		e.Status >= 400 && e.Status < 500 && strings.Contains(strings.ToLower(e.Body), "expire")
}

// shape finds the rows and their number in the answer {"data": {"rows": [[…]],
// "totalRows": n}}.
func shape(doc []byte) (rows []byte, total int, err error) {
	changed := func(format string, args ...any) error {
		return fault.New(fault.BadInput, format, args...).WithHint("the shape of the answer changed")
	}
	var data, count []byte
	if doc = bytes.TrimSpace(doc); len(doc) == 0 || doc[0] != '{' {
		return nil, 0, changed("the answer is no JSON object")
	}
	member := func(key string, value []byte) error {
		if key == "data" {
			data = value
		}
		return nil
	}
	if err := singer.EachMember(doc, member); err != nil {
		return nil, 0, changed("the answer is no JSON")
	}
	if len(data) == 0 || data[0] != '{' {
		return nil, 0, changed("there is no object at $.data")
	}
	if err := singer.EachMember(data, func(key string, value []byte) error {
		switch key {
		case "rows":
			rows = value
		case "totalRows":
			count = value
		}
		return nil
	}); err != nil {
		return nil, 0, changed("the answer is no JSON at $.data")
	}
	if string(rows) == "null" && string(count) == "0" {
		return []byte("[]"), 0, nil
	}
	if len(rows) == 0 || rows[0] != '[' {
		return nil, 0, changed("there is no array at $.data.rows")
	}
	total, err = strconv.Atoi(strings.Trim(string(count), `"`))
	if err != nil || total < 0 {
		return nil, 0, changed("there is no number at $.data.totalRows")
	}
	return rows, total, nil
}

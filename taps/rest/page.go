package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// pages asks for the pages of one request until there are no more.
type pages struct {
	src    *source
	set    *settings
	client *httpapi.Client
	vars   variables
}

// page is one answer: each calls its argument with every record.
type page struct {
	res  *httpapi.Response // nil: on_status says that the answer counts as empty
	doc  []byte            // of JSON
	code int               // what the answer was, when res is nil
}

// cursor is where the paging stands.
type cursor struct {
	number int // of pages so far
	at     int // page or offset to ask for
	token  any // cursor to ask with, nil at first
	url    *url.URL
	last   string // digest or token that must not come again
}

// each calls visit with each page and the number of its records as visit
// counts them.
func (p *pages) each(ctx context.Context, visit func(ctx context.Context, pg *page, number int) (records int, err error)) error {
	pg := p.src.Pagination
	at := cursor{}
	switch {
	case pg.Start != nil:
		at.at = *pg.Start
	case pg.Type == "page":
		at.at = 1
	}
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		at.number++
		req, err := p.request(at)
		if err != nil {
			return err
		}
		more, err := p.one(ctx, req, &at, visit)
		if err != nil {
			return fmt.Errorf("page %d: %w", at.number, err)
		}
		if !more {
			return nil
		}
	}
}

func (p *pages) one(ctx context.Context, req *httpapi.Request, at *cursor, visit func(context.Context, *page, int) (int, error)) (more bool, err error) {
	res, err := p.client.Do(ctx, req)
	if err != nil {
		var status *httpapi.StatusError
		if errors.As(err, &status) && p.src.OnStatus[strconv.Itoa(status.Status)] == "empty" {
			_, err := visit(ctx, &page{code: status.Status}, at.number)
			return false, err
		}
		return false, err
	}
	defer res.Close()
	pg := &page{res: res}
	if p.src.Response == asJSON {
		if pg.doc, err = res.Bytes(); err != nil {
			return false, err
		}
		if err := p.sound(pg.doc); err != nil {
			return false, fmt.Errorf("%s: %w", res.Place, err)
		}
	}
	n, err := visit(ctx, pg, at.number)
	if err != nil {
		return false, err
	}
	return p.next(pg, n, at)
}

// sound refuses an answer that begins like no JSON, or that says what went
// wrong. What is broken further on is found when its records are read.
func (p *pages) sound(doc []byte) error {
	if start := bytes.TrimSpace(doc[:min(len(doc), 64)]); len(start) == 0 || start[0] != '{' && start[0] != '[' {
		if !json.Valid(doc) {
			var none struct{}
			err := json.Unmarshal(doc, &none) // says where
			return fault.Wrap(fault.BadInput, err, "the answer is no JSON").WithKind(fault.KindShape).WithHint("set response to csv, ndjson or xml if that is what comes, or check the path")
		}
	}
	if p.src.failing == nil {
		return nil
	}
	wrong, err := p.src.failing.Value(doc)
	if err != nil || len(wrong) == 0 {
		return err
	}
	switch text := strings.TrimSpace(string(wrong)); text {
	case "[]", "{}", `""`, "false", "0":
		return nil
	default:
		if len(text) > 300 {
			text = strings.ToValidUTF8(text[:300], "") + "…"
		}
		return fault.New(fault.Failed, "the answer has errors at %s: %s", p.src.failing, p.set.secrets.Hide(text))
	}
}

// next moves at to the next page; false: there is none.
func (p *pages) next(pg *page, records int, at *cursor) (bool, error) {
	d := p.src.Pagination
	if p.src.more != nil && pg.doc != nil {
		more, err := p.src.more.Value(pg.doc)
		if err != nil || string(more) != "true" {
			return false, err
		}
	}
	switch d.Type {
	case "page", "offset":
		if records == 0 || d.StopAt == "short" && records < d.Limit {
			return false, nil
		}
		if again := digest(pg); again != "" && again == at.last {
			return false, fault.New(fault.BadInput, "it is the same as the page before").WithHint("does the API know the parameter %q?", d.Param)
		} else {
			at.last = again
		}
		if d.Type == "page" {
			at.at++
		} else {
			at.at += records
		}
		return true, nil
	case "cursor":
		raw, err := p.src.next.Value(pg.doc)
		if err != nil || len(raw) == 0 {
			return false, err
		}
		token := httpapi.Text(raw)
		if token == "" || token == "false" {
			return false, nil
		}
		if token == at.last {
			return false, fault.New(fault.BadInput, "it hands out the same cursor as the page before").WithHint("does the API know the parameter %q?", d.Param)
		}
		at.last, at.token = token, token
		if raw[0] != '"' {
			at.token = json.Number(token)
		}
		return true, nil
	case "link":
		return p.follow(pg, linked(pg.res.Header.Values("Link")), at)
	case "next_url":
		raw, err := p.src.next.Value(pg.doc)
		if err != nil {
			return false, err
		}
		return p.follow(pg, httpapi.Text(raw), at)
	}
	return false, nil
}

func (p *pages) follow(pg *page, link string, at *cursor) (bool, error) {
	if link == "" {
		return false, nil
	}
	to, err := pg.res.URL.Parse(link)
	if err != nil {
		return false, fault.New(fault.BadInput, "the link to the next page is no URL")
	}
	if err := p.client.Allowed(pg.res.URL, to); err != nil {
		return false, err
	}
	if to.String() == at.last {
		return false, fault.New(fault.BadInput, "it links to itself as the next page")
	}
	at.last, at.url = to.String(), to
	return true, nil
}

// linked is the target of rel="next" in Link headers.
func linked(headers []string) string {
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			target, params, ok := strings.Cut(part, ">")
			if !ok {
				continue
			}
			for param := range strings.SplitSeq(params, ";") {
				k, v, _ := strings.Cut(strings.TrimSpace(param), "=")
				if strings.EqualFold(k, "rel") && strings.Contains(" "+strings.ToLower(strings.Trim(v, `"`))+" ", " next ") {
					return strings.TrimPrefix(strings.TrimSpace(target), "<")
				}
			}
		}
	}
	return ""
}

// request is the request for the page that at names.
func (p *pages) request(at cursor) (*httpapi.Request, error) {
	d, pg := p.src.definition, p.src.Pagination
	vars := maps.Clone(p.vars)
	paging := map[string]any{}
	vars["page"], vars["offset"], vars["cursor"], vars["limit"] = nil, nil, nil, nil
	switch pg.Type {
	case "page", "offset":
		vars[pg.Type] = json.Number(strconv.Itoa(at.at))
		paging[pg.Param] = vars[pg.Type]
	case "cursor":
		if vars["cursor"] = at.token; at.token != nil {
			paging[pg.Param] = at.token
		}
	}
	if pg.Limit > 0 {
		vars["limit"] = json.Number(strconv.Itoa(pg.Limit))
		if pg.LimitParam != "" {
			paging[pg.LimitParam] = vars["limit"]
		}
	}
	req := &httpapi.Request{Method: d.Method, Header: http.Header{}}
	var err error
	if req.URL, err = p.url(at, vars, paging); err != nil {
		return nil, err
	}
	for name, text := range d.Headers {
		value, ok, err := vars.expand(text)
		if err != nil {
			return nil, err
		}
		if ok {
			req.Header.Set(name, value)
		}
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", map[string]string{asJSON: "application/json", asNDJSON: "application/x-ndjson", asCSV: "text/csv"}[d.Response])
	}
	body := d.Body
	if pg.In == "body" {
		if object, ok := body.(map[string]any); ok || body == nil {
			body = overlay(object, paging)
		}
	}
	if body == nil {
		return req, nil
	}
	var kind string
	if req.Body, kind, err = encode(vars, body, d.BodyFormat); err != nil {
		return nil, err
	}
	if req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

// url is where the page is: the stream's own, or the link of the page before.
func (p *pages) url(at cursor, vars variables, paging map[string]any) (*url.URL, error) {
	if at.url != nil {
		return at.url, nil
	}
	escaped := variables{}
	for k, v := range vars {
		escaped[k] = v
		if text, ok := v.(string); ok {
			escaped[k] = url.PathEscape(text)
		}
	}
	path, ok, err := escaped.expand(p.src.Path)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.BadConfig, "the path %q needs a value that there is not yet", p.src.Path)
	}
	full := strings.TrimRight(p.set.base.String(), "/")
	if strings.Contains(path, "://") {
		full = path
	} else if path != "" {
		full += "/" + strings.TrimLeft(path, "/")
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, fault.New(fault.BadConfig, "the path %q makes no URL", p.src.Path)
	}
	if err := p.client.Allowed(p.set.base, u); err != nil {
		return nil, err
	}
	q := u.Query()
	for name, value := range p.src.Params {
		if err := p.param(q, vars, name, value); err != nil {
			return nil, err
		}
	}
	w := p.src.Window
	for name, value := range map[string]any{w.StartParam: vars["start"], w.EndParam: vars["end"]} {
		if name != "" && value != nil {
			q.Set(name, fmt.Sprint(value))
		}
	}
	if p.src.Pagination.In == "query" {
		for name, value := range paging {
			q.Set(name, fmt.Sprint(value))
		}
	}
	u.RawQuery = q.Encode()
	return u, nil
}

// param sets a parameter; a list sets it several times, and one that needs a
// value that there is not is left out.
func (p *pages) param(q url.Values, vars variables, name string, value any) error {
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, one := range list {
		text, err := plain(one)
		if err != nil {
			return err
		}
		text, ok, err := vars.expand(text)
		if err != nil {
			return err
		}
		if ok {
			q.Add(name, text)
		}
	}
	return nil
}

// encode is a body with its content type.
func encode(vars variables, body any, format string) ([]byte, string, error) {
	switch format {
	case asText:
		text, err := plain(body)
		if err != nil {
			return nil, "", err
		}
		text, _, err = vars.expand(text)
		return []byte(text), "text/plain; charset=utf-8", err
	case asForm:
		object, ok := body.(map[string]any)
		if !ok {
			return nil, "", fault.New(fault.BadConfig, "a form body must be an object")
		}
		form := url.Values{}
		for name, value := range object {
			text, err := plain(value)
			if err != nil {
				return nil, "", err
			}
			text, has, err := vars.expand(text)
			if err != nil {
				return nil, "", err
			}
			if has {
				form.Set(name, text)
			}
		}
		return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
	}
	value, err := vars.value(body)
	if err != nil {
		return nil, "", err
	}
	raw, err := json.Marshal(value)
	return raw, "application/json", err
}

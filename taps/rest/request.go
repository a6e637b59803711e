package rest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// request is the request for the page that at names.
func (p *pages) request(at cursor) (*httpapi.Request, error) {
	d, pg := p.src.definition, p.src.Pagination
	vars := maps.Clone(p.vars)
	paging := map[string]any{}
	vars["page"], vars["offset"], vars["cursor"], vars["limit"] = nil, nil, nil, nil
	// A variable that a template names is sent there, and not as a parameter.
	switch pg.Type {
	case "page", "offset":
		vars[pg.Type] = json.Number(strconv.Itoa(at.at))
		if !p.src.uses[pg.Type] {
			paging[pg.Param] = vars[pg.Type]
		}
	case "cursor":
		if vars["cursor"] = at.token; at.token != nil && !p.src.uses["cursor"] {
			paging[pg.Param] = at.token
		}
	}
	if pg.Limit > 0 {
		vars["limit"] = json.Number(strconv.Itoa(pg.Limit))
		if pg.LimitParam != "" {
			paging[pg.LimitParam] = vars["limit"]
		}
	}
	req := &httpapi.Request{Method: d.Method, Header: http.Header{}, Once: p.once}
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
		req.Header.Set("Accept", map[string]string{asJSON: "application/json", asNDJSON: "application/x-ndjson", asCSV: "text/csv", asXML: "application/xml, text/xml"}[d.Response])
	}
	body := d.Body
	if pg.In == "body" {
		if object, ok := body.(map[string]any); ok || body == nil {
			body = inside(object, paging)
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

// inside sets members of a body; a.b is member b of the object a.
func inside(body, members map[string]any) map[string]any {
	out := maps.Clone(body)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range members {
		head, rest, nested := strings.Cut(name, ".")
		if nested {
			inner, _ := out[head].(map[string]any)
			value = inside(inner, map[string]any{rest: value})
		}
		out[head] = value
	}
	return out
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
	case asXML:
		text, err := plain(body)
		if err != nil {
			return nil, "", err
		}
		escaped := variables{}
		for k, v := range vars {
			if escaped[k] = v; v != nil {
				var b strings.Builder
				if err := xml.EscapeText(&b, []byte(fmt.Sprint(v))); err != nil {
					return nil, "", err
				}
				escaped[k] = b.String()
			}
		}
		text, _, err = escaped.expand(text)
		return []byte(text), "text/xml; charset=utf-8", err
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

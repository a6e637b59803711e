package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/taps/httpapi"
)

// pages asks for the pages of one request until there are no more.
type pages struct {
	src    *source
	set    *settings
	client *httpapi.Client
	vars   variables
	once   func(error) bool // see httpapi.Request
	ahead  *ahead           // nil: pages are asked for one by one
}

// page is one answer: each calls its argument with every record.
type page struct {
	res  *httpapi.Response // nil: on_status says that the answer counts as empty
	doc  []byte            // of JSON
	code int               // what the answer was, when res is nil
	last []byte            // the last record, where the next page is asked by it
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
	if p.src.total != nil && p.src.Concurrency > 1 && pg.Limit > 0 && (pg.Type == "page" || pg.Type == "offset") {
		p.ahead = newAhead(ctx, p)
		defer p.ahead.close()
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
	res, err := p.answer(ctx, req, at.at)
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
	} else if p.src.Response == asXML {
		if err := p.fine(pg); err != nil {
			return false, fmt.Errorf("%s: %w", res.Place, err)
		}
	}
	if p.ahead != nil {
		if total, err := p.total(pg); err != nil {
			return false, fmt.Errorf("%s: %w", res.Place, err)
		} else if err := p.ahead.start(*at, total); err != nil {
			return false, err
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
	if err != nil {
		return err
	}
	return p.complaint(wrong)
}

// fine is sound of an XML answer: a SOAP fault is none, whatever its status.
func (p *pages) fine(pg *page) error {
	failing := soapFault
	if p.src.failing != nil {
		failing = *p.src.failing
	}
	wrong, err := httpapi.XMLValue(pg.res.Reader(), failing)
	if err != nil {
		return err
	}
	return p.complaint(wrong)
}

// soapFault is where SOAP says that something went wrong.
var soapFault, _ = httpapi.ParsePath("$.Envelope.Body.Fault")

func (p *pages) complaint(wrong []byte) error {
	switch text := strings.TrimSpace(string(wrong)); text {
	case "", "[]", "{}", `""`, "false", "0", "null":
		return nil
	default:
		if len(text) > 300 {
			text = strings.ToValidUTF8(text[:300], "") + "…"
		}
		where := soapFault
		if p.src.failing != nil {
			where = *p.src.failing
		}
		return fault.New(fault.Failed, "the answer has errors at %s: %s", where, p.set.secrets.Hide(text)).WithKind(fault.KindServer)
	}
}

// value is what an answer has at a path, nil for nothing.
func (p *pages) value(pg *page, path httpapi.Path) ([]byte, error) {
	if p.src.Response == asXML {
		return httpapi.XMLValue(pg.res.Reader(), path)
	}
	return path.Value(pg.doc)
}

// total is how many records there are, as the answer says; -1: it does not.
func (p *pages) total(pg *page) (int, error) {
	raw, err := p.value(pg, *p.src.total)
	if err != nil || raw == nil {
		return -1, err
	}
	n, err := strconv.Atoi(httpapi.Text(raw))
	if err != nil {
		return -1, fault.New(fault.BadInput, "there is %s at %s, where the number of records was expected", httpapi.Kind(raw), p.src.total).WithKind(fault.KindShape)
	}
	return n, nil
}

// next moves at to the next page; false: there is none.
func (p *pages) next(pg *page, records int, at *cursor) (bool, error) {
	d := p.src.Pagination
	for path, wanted := range map[*httpapi.Path]bool{p.src.more: true, p.src.end: false} {
		if path == nil {
			continue
		}
		said, err := p.value(pg, *path)
		if text := strings.ToLower(httpapi.Text(said)); err != nil || (text == "true" || text == "1") != wanted {
			return false, err
		}
	}
	switch d.Type {
	case "none":
		if p.src.unpaged {
			return false, p.alone(pg)
		}
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
		raw, err := p.token(pg)
		if err != nil {
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
		raw, err := p.value(pg, p.src.next)
		if err != nil {
			return false, err
		}
		return p.follow(pg, httpapi.Text(raw), at)
	}
	return false, nil
}

// nextPage is where many an answer names the next page.
var nextPage, _ = httpapi.ParsePath("$.next_page")

// alone makes sure that an answer which is taken for all there is does not
// name a next page: rows would be missing in silence.
func (p *pages) alone(pg *page) error {
	more := linked(pg.res.Header.Values("Link"))
	if pg.doc != nil && more == "" {
		raw, err := nextPage.Value(pg.doc)
		if err != nil {
			return err
		}
		if more = httpapi.Text(raw); more == "false" {
			more = ""
		}
	}
	if more == "" {
		return nil
	}
	return fault.New(fault.BadConfig, "the answer names a next page, but the stream has no pagination").WithHint("set pagination, or pagination: {type: none} if one page is enough")
}

// token is what the next page is asked with: nothing at the end.
func (p *pages) token(pg *page) ([]byte, error) {
	switch {
	case p.src.Pagination.Header != "":
		text := strings.TrimSpace(pg.res.Header.Get(p.src.Pagination.Header))
		return row.AppendJSONString(nil, []byte(text)), nil
	case p.src.lastOf == nil:
		return p.value(pg, p.src.next)
	case pg.last == nil:
		return nil, nil // an empty page
	}
	raw, err := p.src.lastOf.Value(pg.last)
	if err == nil && raw == nil {
		err = fault.New(fault.BadInput, "the last record has nothing at %s, by which the next page is asked for", p.src.lastOf).WithKind(fault.KindShape)
	}
	return raw, err
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

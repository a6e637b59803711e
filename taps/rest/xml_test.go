package rest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"elt/internal/fault"
)

const envelope = `<?xml version="1.0" encoding="utf-8"?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>%s</soap:Body></soap:Envelope>`

// A SOAP service: its request is a text with variables, its pages have a token.
func TestSOAP(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		text := string(body)
		if r.Header.Get("SOAPAction") != `"urn:list"` || r.Header.Get("Content-Type") != "text/xml; charset=utf-8" || !strings.Contains(text, "<name>A&amp;B &lt;1&gt;</name>") {
			w.WriteHeader(400)
			return
		}
		rows := `<m:order id="1"><m:total>12.50</m:total><m:note>a &amp; <![CDATA[<b>]]></m:note><m:lines><m:line sku="x">7</m:line></m:lines><m:void xsi:nil="true"/><m:none/></m:order>` +
			`<m:order id="2"><m:total> 3 </m:total><m:lines><m:line sku="y">1</m:line><m:line sku="z"/></m:lines><m:paid>TRUE</m:paid></m:order><m:next>t2</m:next>`
		if strings.Contains(text, "<token>t2</token>") {
			rows = `<m:order id="3"><m:total/></m:order>`
		}
		fmt.Fprintf(w, envelope, `<m:listResponse xmlns:m="urn:shop">`+rows+`</m:listResponse>`)
	})
	stream := object{"name": "orders", "method": "POST", "response": "xml", "records_path": "$.Envelope.Body.listResponse.order", "primary_keys": []any{"@id"}, "arrays": []any{"lines.line"},
		"headers": object{"SOAPAction": `"urn:list"`}, "body_format": "xml", "body": "<list><name>{{ name }}</name><token>{{ cursor }}</token></list>",
		"pagination": object{"type": "cursor", "path": "$.Envelope.Body.listResponse.next"},
		"schema":     object{"properties": object{"@id": object{"type": "integer"}, "total": object{"type": []any{"null", "number"}}, "note": object{"type": "string"}, "lines": object{"type": "object"}, "void": object{"type": "string"}, "none": object{"type": "string"}, "paid": object{"type": []any{"boolean", "null"}}}}}
	got := run(t, object{"url_base": a.URL, "variables": object{"name": "A&B <1>"}, "streams": []any{stream}}, "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	want(t, got.records,
		`orders {"@id":1,"lines":{"line":[{"@sku":"x","#text":"7"}]},"none":null,"note":"a & <b>","paid":null,"total":12.50,"void":null}`,
		`orders {"@id":2,"lines":{"line":[{"@sku":"y","#text":"1"},{"@sku":"z"}]},"none":null,"note":null,"paid":true,"total":3,"void":null}`,
		`orders {"@id":3,"lines":null,"none":null,"note":null,"paid":null,"total":null,"void":null}`)
	if n := len(a.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

// An answer whose shape changed is named by stream, path, and what is there
// instead, whatever its format.
func TestShapesThatChanged(t *testing.T) {
	answers := map[string]string{}
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) { reply(w, answers[strings.Trim(r.URL.Path, "/")]) })
	var streams []any
	texts := map[string]string{}
	schema := object{"properties": object{"id": object{"type": "integer"}, "at": object{"type": "string"}}}
	add := func(name, answer, text string, more object) {
		answers[name], texts[name] = answer, text
		s := object{"name": name, "path": name, "schema": schema, "primary_keys": []any{"id"}}
		for k, v := range more {
			s[k] = v
		}
		streams = append(streams, s)
	}
	xml := object{"response": "xml", "records_path": "$.rows.row"}
	add("moved", `{"result":[{"id":1}]}`, `there is nothing at $.data[*]: the answer has an object with "result" where "data" was expected`, object{"records_path": "$.data[*]"})
	add("object", `{"data":{"id":1}}`, `there is nothing at $.data[*]: the answer has an object where an array was expected`, object{"records_path": "$.data[*]"})
	add("bare", `{"data":[1]}`, `record 1 at $.data: a record is a single value, not an object`, object{"records_path": "$.data"})
	add("renamed", `[{"ID":1}]`, `a record lacks the key "id"|it has "ID": did its name change?`, nil)
	add("undated", `[{"id":1}]`, `a record lacks the replication key "at"`, object{"replication_key": "at"})
	add("cut", `[{"id":1},`, `GET `+a.URL+`/cut: it ends in the middle at byte 11`, nil)
	add("ndjson", "{\"id\":1}\n<html>", `record 2 is no JSON`, object{"response": "ndjson"})
	add("csv", "ID,at\n1,2\n", `a record lacks the key "id"`, object{"response": "csv"})
	add("csvcut", "id,at\n1,2\n3\n", `wrong number of fields`, object{"response": "csv"})
	add("xmlmoved", `<answer><fault>busy</fault></answer>`, `there is nothing at $.rows.row: the answer has <answer> where <rows> was expected`, xml)
	add("xmlcut", `<rows><row><id>1</id>`, `the answer is no XML: XML syntax error on line 1: unexpected EOF`, xml)
	add("xmlrenamed", `<rows><row><no>1</no></row></rows>`, `a record lacks the key "id"`, xml)
	add("soap", fmt.Sprintf(envelope, `<Fault><faultstring>no session</faultstring></Fault>`), `the answer has errors at $.Envelope.Body.Fault: {"faultstring":"no session"}`, xml)
	got := run(t, object{"url_base": a.URL, "streams": streams}, "")
	if got.err == nil {
		t.Fatal("every change was swallowed")
	}
	rendered := got.err.Error() + fault.Render(got.err)
	for name, text := range texts {
		text, hint, _ := strings.Cut(text, "|")
		found := false
		for line := range strings.Lines(got.err.Error()) {
			found = found || strings.HasPrefix(line, `stream "`+name+`"`) && strings.Contains(line, text)
		}
		if !found || !strings.Contains(rendered, hint) && hint != "" && name != "renamed" {
			t.Errorf("%s: no %q in\n%s", name, text, got.err)
		}
	}
}

func TestAnEmptyListIsNoChangeOfShape(t *testing.T) {
	a := serveAPI(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, `<rows/>`) })
	got := run(t, object{"url_base": a.URL, "streams": []any{object{"name": "s", "response": "xml", "records_path": "$.rows.row", "primary_keys": []any{"id"}}}}, "")
	if got.err != nil || len(got.schemas) != 1 {
		t.Error(got.err, got.schemas)
	}
}

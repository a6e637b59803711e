package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// conditional gives the answers of an operation an ETag, and lets who has that
// answer already have 304 without a body (RFC 9110, 13.1.2).
func conditional(op *huma.Operation) {
	text := &huma.Schema{Type: huma.TypeString}
	op.Parameters = append(op.Parameters, &huma.Param{Name: "If-None-Match", In: "header", Schema: text, Description: "ETags of answers that you have: 304 when it is one of them."})
	if op.Responses["200"] == nil {
		op.Responses["200"] = &huma.Response{}
	}
	op.Responses["200"].Headers = map[string]*huma.Param{"ETag": {Schema: text, Description: "Names this answer, for If-None-Match."}}
	op.Responses["304"] = &huma.Response{Description: "It is what you have."}
	op.Middlewares = append(op.Middlewares, func(c huma.Context, next func(huma.Context)) {
		held := &heldAnswer{held: c, status: http.StatusOK}
		next(held)
		held.send()
	})
}

type held huma.Context // a name beside the method Context

// heldAnswer keeps an answer back until it is known whether it is wanted.
type heldAnswer struct {
	held
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) SetStatus(status int)  { a.status = status }
func (a *heldAnswer) Status() int           { return a.status }
func (a *heldAnswer) BodyWriter() io.Writer { return &a.body }
func (a *heldAnswer) Unwrap() huma.Context  { return a.held }
func (a *heldAnswer) send() {
	if a.status == http.StatusOK {
		sum := sha256.Sum256(a.body.Bytes())
		tag := `"` + hex.EncodeToString(sum[:12]) + `"`
		a.SetHeader("ETag", tag)
		if matches(a.Header("If-None-Match"), tag) {
			a.held.SetStatus(http.StatusNotModified)
			return
		}
	}
	a.held.SetStatus(a.status)
	_, _ = a.held.BodyWriter().Write(a.body.Bytes())
}

// matches compares weakly, as RFC 9110 has it for If-None-Match: a proxy that
// compresses makes a tag weak.
func matches(wanted, tag string) bool {
	if strings.TrimSpace(wanted) == "*" {
		return true
	}
	return slices.ContainsFunc(strings.Split(wanted, ","), func(one string) bool {
		return strings.TrimPrefix(strings.TrimSpace(one), "W/") == tag
	})
}

package ui

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func TestHandler(t *testing.T) {
	h := handler(fstest.MapFS{
		"index.html":        {Data: []byte("<!doctype html>the page")},
		"icon.svg":          {Data: []byte("<svg/>")},
		"assets/a-12345.js": {Data: []byte("run()")},
	})
	for _, c := range []struct {
		method, path string
		status       int
		kind, cache  string
		body         string
	}{
		{"GET", "/", 200, "text/html", "no-cache", "the page"},
		{"GET", "/runs/0198?tab=log", 200, "text/html", "no-cache", "the page"},
		{"GET", "/pipelines/a%2Fb", 200, "text/html", "no-cache", "the page"},
		{"GET", "/../../etc/passwd", 200, "text/html", "no-cache", "the page"},
		{"GET", "/icon.svg", 200, "image/svg+xml", "no-cache", "<svg/>"},
		{"GET", "/assets/a-12345.js", 200, "text/javascript", "public, max-age=31536000, immutable", "run()"},
		{"GET", "/assets/old-1.js", 404, "text/plain", "", "not found"},
		{"HEAD", "/", 200, "text/html", "no-cache", ""},
		{"POST", "/", 405, "text/plain", "", "only read"},
	} {
		w := get(t, h, c.method, c.path)
		if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), c.kind) || w.Header().Get("Cache-Control") != c.cache || !strings.Contains(w.Body.String(), c.body) {
			t.Errorf("%s %s: %d %v %q", c.method, c.path, w.Code, w.Header(), w.Body)
		}
		p := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "unsafe") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: policy %q", c.method, c.path, p)
		}
	}
}

func TestAssetsAreCompressedWhereThatIsTaken(t *testing.T) {
	text := strings.Repeat("run();", 1000)
	h := handler(fstest.MapFS{"index.html": {Data: []byte("the page")}, "assets/a-1.js": {Data: []byte(text)}})
	r := httptest.NewRequest("GET", "/assets/a-1.js", nil)
	r.Header.Set("Accept-Encoding", "gzip, br")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	unpacked, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Fatalf("%v %v", w.Header(), err)
	}
	if got, err := io.ReadAll(unpacked); err != nil || string(got) != text {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if w := get(t, h, "GET", "/assets/a-1.js"); w.Body.String() != text || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%v", w.Header())
	}
}

func TestAnUnchangedPageIsNotSentAgain(t *testing.T) {
	h := handler(fstest.MapFS{"index.html": {Data: []byte("the page")}})
	tag := get(t, h, "GET", "/").Header().Get("ETag")
	r := httptest.NewRequest("GET", "/runs", nil)
	r.Header.Set("If-None-Match", tag)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if tag == "" || w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("%q: %d %q", tag, w.Code, w.Body)
	}
}

// The page of this binary, whichever it is, holds no script and no style of its
// own: the policy would not let them run.
func TestThePageFitsThePolicy(t *testing.T) {
	w := get(t, Handler(), "GET", "/")
	for _, bad := range []string{`<script>`, `<style`, `style="`, ` on[a-z]+="`, `https?://`} {
		if found := regexp.MustCompile(bad).FindString(w.Body.String()); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	if w.Code != 200 || !strings.Contains(w.Body.String(), "elt") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

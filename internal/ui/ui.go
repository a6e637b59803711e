package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// policy lets a page load what this server has, and run nothing that stands in
// the page itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the pages, compressed where the browser takes that. Files below /assets/ have their digest in their
// name and are kept for a year; any other path is a page, which the script
// draws from the path.
func Handler() http.Handler { return handler(files()) }

func handler(files fs.FS) http.Handler {
	packed := sync.OnceValue(func() map[string][]byte { return compress(files) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "pages are only read", http.StatusMethodNotAllowed)
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		kept := strings.HasPrefix(name, "assets/")
		body, err := fs.ReadFile(files, name)
		switch {
		case err == nil:
		case kept:
			http.NotFound(w, r)
			return
		default:
			name = "index.html"
			if body, err = fs.ReadFile(files, name); err != nil {
				http.Error(w, "the pages are not there: "+err.Error(), http.StatusInternalServerError)
				return
			}
		}
		if kept {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		} else {
			sum := sha256.Sum256(body)
			h.Set("Cache-Control", "no-cache")
			h.Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
		}
		h.Set("Vary", "Accept-Encoding")
		if small := packed()[name]; small != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			body = small
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
	})
}

// compress packs the scripts and styles once; pages are too small to gain.
func compress(files fs.FS) map[string][]byte {
	packed := map[string][]byte{}
	names, _ := fs.Glob(files, "assets/*") // the pattern is a constant
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			continue // it is served as it is, and the error said then
		}
		var b bytes.Buffer
		w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is a constant
		_, _ = w.Write(body)                                  // a buffer takes all
		_ = w.Close()
		packed[name] = b.Bytes()
	}
	return packed
}

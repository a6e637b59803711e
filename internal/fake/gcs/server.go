// Package gcs is a fake of Cloud Storage's JSON API: one bucket, service
// accounts with signed assertions, resumable uploads in units of 256 KiB.
package gcs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"elt/internal/fake/objects"
)

const unit = 256 << 10

// Server is Cloud Storage, and the token endpoint.
type Server struct {
	URL string
	*objects.Bucket
	Denied bool // the account may do nothing

	http     *httptest.Server
	account  account
	mu       sync.Mutex
	sessions map[string]*session
	count    int
}

type session struct {
	key       string
	meta      map[string]string
	condition string
	data      []byte
	done      *objects.Object
}

// Start serves a bucket on loopback until Close.
func Start(bucket string) *Server {
	s := &Server{Bucket: objects.New(bucket), sessions: map[string]*session{}}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	s.account = newAccount(s.URL + "/token")
	return s
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

// Uploads are the keys of resumable uploads that are neither complete nor cancelled.
func (s *Server) Uploads() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.sessions {
		if one.done == nil {
			keys = append(keys, one.key)
		}
	}
	return keys
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	text := fmt.Sprintf(format, args...)
	reply(w, map[string]any{"error": map[string]any{"code": status, "message": text, "errors": []any{map[string]string{"message": text}}}})
}

func reply(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no error
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/token" {
		s.account.token(w, r)
		return
	}
	if status := s.Busy(); status != 0 {
		fail(w, status, "The service is busy.")
		return
	}
	if id := r.URL.Query().Get("upload_id"); id != "" { // the session's URL is its own login
		s.resume(w, r, id)
		return
	}
	if !s.account.knows(r.Header.Get("Authorization")) {
		fail(w, 401, "Invalid Credentials")
		return
	}
	where := strings.TrimPrefix(r.URL.EscapedPath(), "/upload")
	bucket, rest, _ := strings.Cut(strings.TrimPrefix(where, "/storage/v1/b/"), "/o")
	key, err := url.PathUnescape(strings.TrimPrefix(rest, "/"))
	switch {
	case err != nil || !strings.HasPrefix(where, "/storage/v1/b/") || strings.Contains(strings.TrimPrefix(rest, "/"), "/"):
		fail(w, 404, "Not Found")
	case bucket != s.Name:
		fail(w, 404, "The specified bucket does not exist.")
	case s.Denied:
		fail(w, 403, "elt@project.iam.gserviceaccount.com does not have storage.objects.list access")
	case strings.HasPrefix(r.URL.Path, "/upload"):
		s.upload(w, r)
	case key == "":
		s.list(w, r.FormValue("prefix"), r.FormValue("pageToken"))
	default:
		s.object(w, r, key)
	}
}

func about(key string, o *objects.Object) map[string]any {
	return map[string]any{"kind": "storage#object", "name": key, "size": strconv.Itoa(len(o.Data)), "generation": strconv.FormatInt(o.Generation, 10),
		"updated": o.Modified.Format(time.RFC3339Nano), "metadata": o.Meta}
}

func (s *Server) list(w http.ResponseWriter, prefix, after string) {
	keys, more := s.List(prefix, after)
	page := map[string]any{"kind": "storage#objects"}
	var items []any
	for _, key := range keys {
		if o := s.Get(key); o != nil {
			items = append(items, about(key, o))
		}
	}
	if items != nil {
		page["items"] = items
	}
	if more {
		page["nextPageToken"] = keys[len(keys)-1]
	}
	reply(w, page)
}

func (s *Server) object(w http.ResponseWriter, r *http.Request, key string) {
	o := s.Get(key)
	generation := r.FormValue("generation")
	if o == nil || generation != "" && generation != strconv.FormatInt(o.Generation, 10) {
		fail(w, 404, "No such object: %s/%s", s.Name, key)
		return
	}
	switch {
	case r.Method == "DELETE":
		s.Delete(key)
		w.WriteHeader(204)
	case r.FormValue("alt") == "media":
		s.Serve(w, r, o)
	default:
		reply(w, about(key, o))
	}
}

// matches is the condition ifGenerationMatch; "" asks nothing.
func matches(said string) func(*objects.Object) bool {
	if said == "" {
		return nil
	}
	return func(o *objects.Object) bool {
		if o == nil {
			return said == "0"
		}
		return said == strconv.FormatInt(o.Generation, 10)
	}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	key, condition := query.Get("name"), query.Get("ifGenerationMatch")
	body, err := objects.Body(r)
	if err != nil || key == "" {
		fail(w, 400, "Required parameter: name")
		return
	}
	switch query.Get("uploadType") {
	case "media":
		o, err := s.Put(key, body, nil, matches(condition))
		if err != nil {
			fail(w, 412, "At least one of the pre-conditions you specified did not hold.")
			return
		}
		s.Lost(w)
		reply(w, about(key, o))
	case "resumable":
		var meta struct{ Metadata map[string]string }
		if len(body) > 0 && json.Unmarshal(body, &meta) != nil {
			fail(w, 400, "Parse Error")
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.count++
		id := fmt.Sprintf("session-%d", s.count)
		s.sessions[id] = &session{key: key, meta: meta.Metadata, condition: condition}
		w.Header().Set("Location", s.URL+r.URL.Path+"?uploadType=resumable&upload_id="+id)
	default:
		fail(w, 400, "Invalid upload type")
	}
}

// resume takes bytes of a resumable upload.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.sessions[id]
	if u == nil {
		fail(w, 404, "Upload not found")
		return
	}
	if r.Method == "DELETE" {
		delete(s.sessions, id)
		w.WriteHeader(499)
		return
	}
	if u.done != nil {
		reply(w, about(u.key, u.done))
		return
	}
	body, err := objects.Body(r)
	if err != nil {
		return
	}
	span, total, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Content-Range"), "bytes "), "/")
	if first, _, ok := strings.Cut(span, "-"); ok {
		from, err := strconv.Atoi(first)
		if err != nil || from > len(u.data) {
			fail(w, 400, "Invalid range")
			return
		}
		if from+len(body) > len(u.data) {
			u.data = append(u.data[:from:from], body...)
		}
	}
	if total == strconv.Itoa(len(u.data)) {
		o, err := s.Put(u.key, u.data, u.meta, matches(u.condition))
		if err != nil {
			fail(w, 412, "At least one of the pre-conditions you specified did not hold.")
			return
		}
		u.done = o
		s.Lost(w)
		reply(w, about(u.key, o))
		return
	}
	// Only whole units are kept.
	if u.data = u.data[:len(u.data)/unit*unit]; len(u.data) > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(u.data)-1))
	}
	w.WriteHeader(308)
}

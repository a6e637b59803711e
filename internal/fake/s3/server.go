// Package s3 is a fake of Amazon S3: one bucket in one region, asked with
// paths. It checks signatures (Signature Version 4), and what S3 demands of
// multipart uploads.
package s3

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"elt/internal/fake/objects"
)

// What the fake lets in.
const (
	Key    = "AKIDEXAMPLE"
	Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	Region = "eu-central-1"
)

// Expired is a session token whose time has passed.
const Expired = "expired-token"

const leastPart = 5 << 20

// Server is S3.
type Server struct {
	URL string
	*objects.Bucket
	Denied bool // the login may do nothing

	http    *httptest.Server
	mu      sync.Mutex
	uploads map[string]*upload
	count   int
}

type upload struct {
	key   string
	meta  map[string]string
	parts map[int][]byte
}

// Start serves a bucket on loopback until Close.
func Start(bucket string) *Server {
	s := &Server{Bucket: objects.New(bucket), uploads: map[string]*upload{}}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

// Uploads are the keys of multipart uploads that are neither complete nor aborted.
func (s *Server) Uploads() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.uploads {
		keys = append(keys, u.key)
	}
	return keys
}

type failure struct {
	status  int
	Code    string
	Message string
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := s.Busy(); status != 0 {
		s.fail(w, r, failure{status, map[int]string{503: "SlowDown", 500: "InternalError", 429: "TooManyRequests"}[status], "Please reduce your request rate."})
		return
	}
	body, err := objects.Body(r)
	if err != nil {
		s.fail(w, r, failure{400, "IncompleteBody", err.Error()})
		return
	}
	if f := check(r, body); f != nil {
		s.fail(w, r, *f)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != s.Name {
		s.fail(w, r, failure{404, "NoSuchBucket", "The specified bucket does not exist"})
		return
	}
	if s.Denied {
		s.fail(w, r, failure{403, "AccessDenied", "Access Denied"})
		return
	}
	if f := s.answer(w, r, key, body); f != nil {
		s.fail(w, r, *f)
	}
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, f failure) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Bucket-Region", Region)
	w.WriteHeader(f.status)
	if r.Method != http.MethodHead {
		reply(w, struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
			Message string
		}{Code: f.Code, Message: f.Message})
	}
}

func reply(w http.ResponseWriter, v any) {
	raw, _ := xml.Marshal(v)
	_, _ = w.Write(append([]byte(xml.Header), raw...)) // a client that is gone needs no error
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, key string, body []byte) *failure {
	query := r.URL.Query()
	switch id := query.Get("uploadId"); {
	case key == "" && r.Method == "GET" && query.Get("list-type") == "2":
		s.list(w, query.Get("prefix"), query.Get("continuation-token"))
	case r.Method == "POST" && query.Has("uploads"):
		s.begin(w, r, key)
	case id != "":
		return s.multipart(w, r, key, id, body)
	case r.Method == "GET", r.Method == "HEAD":
		return s.read(w, r, key)
	case r.Method == "PUT":
		return s.put(w, r, key, body, meta(r))
	case r.Method == "DELETE":
		s.Delete(key)
		w.WriteHeader(204)
	default:
		return &failure{405, "MethodNotAllowed", r.Method}
	}
	return nil
}

func etag(o *objects.Object) string {
	if tag := o.Meta["\x00etag"]; tag != "" {
		return tag
	}
	sum := md5.Sum(o.Data)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func meta(r *http.Request) map[string]string {
	out := map[string]string{}
	for name := range r.Header {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			out[rest] = r.Header.Get(name)
		}
	}
	return out
}

func (s *Server) list(w http.ResponseWriter, prefix, after string) {
	type content struct {
		Key, ETag, LastModified, StorageClass string
		Size                                  int
	}
	page := struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		Name, Prefix          string
		KeyCount, MaxKeys     int
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}{Name: s.Name, Prefix: prefix, MaxKeys: s.Page}
	keys, more := s.List(prefix, strings.TrimPrefix(after, "behind:"))
	for _, key := range keys {
		if o := s.Get(key); o != nil {
			page.Contents = append(page.Contents, content{key, etag(o), o.Modified.Format(time.RFC3339), "STANDARD", len(o.Data)})
		}
	}
	if page.KeyCount, page.IsTruncated = len(keys), more; more {
		page.NextContinuationToken = "behind:" + keys[len(keys)-1]
	}
	reply(w, page)
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, key string) *failure {
	o := s.Get(key)
	if o == nil {
		return &failure{404, "NoSuchKey", "The specified key does not exist."}
	}
	if want := r.Header.Get("If-Match"); want != "" && want != etag(o) {
		return &failure{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	}
	w.Header().Set("ETag", etag(o))
	w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	for name, value := range o.Meta {
		if name[0] != 0 {
			w.Header().Set("X-Amz-Meta-"+name, value)
		}
	}
	s.Serve(w, r, o)
	return nil
}

// wanted is what a write's headers demand of the object that is there.
func wanted(r *http.Request) func(*objects.Object) bool {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if match == "" && none == "" {
		return nil
	}
	return func(o *objects.Object) bool {
		return (none == "" || o == nil) && (match == "" || o != nil && etag(o) == match)
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string, data []byte, meta map[string]string) *failure {
	o, err := s.Put(key, data, meta, wanted(r))
	if err != nil {
		return &failure{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	}
	s.Lost(w)
	w.Header().Set("ETag", etag(o))
	return nil
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	id := fmt.Sprintf("upload-%d", s.count)
	s.uploads[id] = &upload{key, meta(r), map[int][]byte{}}
	reply(w, struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket, Key, UploadId string
	}{Bucket: s.Name, Key: key, UploadId: id})
}

func (s *Server) multipart(w http.ResponseWriter, r *http.Request, key, id string, body []byte) *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[id]
	if u == nil || u.key != key {
		return &failure{404, "NoSuchUpload", "The specified multipart upload does not exist."}
	}
	switch r.Method {
	case "PUT":
		number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
		if err != nil || number < 1 || number > 10000 {
			return &failure{400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"}
		}
		u.parts[number] = body
		w.Header().Set("ETag", etag(&objects.Object{Data: body}))
	case "DELETE":
		delete(s.uploads, id)
		w.WriteHeader(204)
	case "POST":
		return s.complete(w, r, u, id, body)
	}
	return nil
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request, u *upload, id string, body []byte) *failure {
	var ask struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &ask); err != nil || len(ask.Part) == 0 {
		return &failure{400, "MalformedXML", "The XML you provided was not well-formed"}
	}
	var whole, sums []byte
	for i, p := range ask.Part {
		data, there := u.parts[p.PartNumber]
		switch {
		case !there || strings.Trim(p.ETag, `"`) != strings.Trim(etag(&objects.Object{Data: data}), `"`):
			return &failure{400, "InvalidPart", "One or more of the specified parts could not be found."}
		case i > 0 && p.PartNumber <= ask.Part[i-1].PartNumber:
			return &failure{400, "InvalidPartOrder", "The list of parts was not in ascending order."}
		case i < len(ask.Part)-1 && len(data) < leastPart:
			return &failure{400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"}
		}
		sum := md5.Sum(data)
		whole, sums = append(whole, data...), append(sums, sum[:]...)
	}
	sum := md5.Sum(sums)
	u.meta["\x00etag"] = fmt.Sprintf(`"%x-%d"`, sum, len(ask.Part))
	if _, err := s.Put(u.key, whole, u.meta, wanted(r)); err != nil {
		return &failure{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	}
	delete(s.uploads, id)
	s.Lost(w)
	reply(w, struct {
		XMLName           xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Bucket, Key, ETag string
	}{Bucket: s.Name, Key: u.key, ETag: u.meta["\x00etag"]})
	return nil
}

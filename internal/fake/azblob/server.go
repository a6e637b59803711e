// Package azblob is a fake of Azure Blob Storage: one container of one
// account, Shared Key signatures, block blobs.
package azblob

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"elt/internal/fake/objects"
)

// Account and Key are what the fake lets in.
const (
	Account = "devaccount"
	Key     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// Server is the blob service of an account.
type Server struct {
	URL string // of the account: azure_storage_endpoint
	*objects.Bucket
	Denied bool // the login may do nothing

	http   *httptest.Server
	mu     sync.Mutex
	blocks map[string]map[string][]byte // by blob: not committed
	lists  map[string]map[string][]byte // by blob: committed
}

// Start serves a container on loopback until Close.
func Start(container string) *Server {
	s := &Server{Bucket: objects.New(container), blocks: map[string]map[string][]byte{}, lists: map[string]map[string][]byte{}}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL + "/" + Account
	return s
}

// Close ends the server.
func (s *Server) Close() { s.http.Close() }

func fail(w http.ResponseWriter, r *http.Request, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Ms-Error-Code", code)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		reply(w, struct {
			XMLName       xml.Name `xml:"Error"`
			Code, Message string
		}{Code: code, Message: code})
	}
}

func reply(w http.ResponseWriter, v any) {
	raw, _ := xml.Marshal(v)
	_, _ = w.Write(append([]byte(xml.Header), raw...)) // a client that is gone needs no error
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if status := s.Busy(); status != 0 {
		fail(w, r, status, "ServerBusy")
		return
	}
	body, err := objects.Body(r)
	if err != nil {
		fail(w, r, 400, "InvalidInput")
		return
	}
	if !signed(r, len(body)) {
		fail(w, r, 403, "AuthenticationFailed")
		return
	}
	container, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"+Account+"/"), "/")
	comp := r.URL.Query().Get("comp")
	switch {
	case container != s.Name:
		fail(w, r, 404, "ContainerNotFound")
	case s.Denied:
		fail(w, r, 403, "AuthorizationPermissionMismatch")
	case key == "" && comp == "list" && r.FormValue("restype") == "container":
		s.list(w, r.FormValue("prefix"), r.FormValue("marker"))
	case r.Method == "PUT" && comp == "block":
		s.stage(w, r, key, body)
	case r.Method == "PUT" && comp == "blocklist":
		s.commit(w, r, key, body)
	case r.Method == "PUT" && r.Header.Get("X-Ms-Blob-Type") == "BlockBlob":
		s.put(w, r, key, body, nil)
	case r.Method == "DELETE":
		if !s.Delete(key) {
			fail(w, r, 404, "BlobNotFound")
			return
		}
		w.WriteHeader(202)
	case r.Method == "GET", r.Method == "HEAD":
		s.read(w, r, key)
	default:
		fail(w, r, 405, "UnsupportedHttpVerb")
	}
}

func etag(o *objects.Object) string { return fmt.Sprintf(`"0x8D%012X"`, o.Generation) }

func (s *Server) list(w http.ResponseWriter, prefix, after string) {
	type properties struct {
		LastModified string `xml:"Last-Modified"`
		Etag         string
		Length       int `xml:"Content-Length"`
		BlobType     string
	}
	type blob struct {
		Name       string
		Properties properties
	}
	page := struct {
		XMLName       xml.Name `xml:"EnumerationResults"`
		Endpoint      string   `xml:"ServiceEndpoint,attr"`
		ContainerName string   `xml:"ContainerName,attr"`
		Prefix        string
		Blobs         struct{ Blob []blob }
		NextMarker    string
	}{Endpoint: s.URL, ContainerName: s.Name, Prefix: prefix}
	keys, more := s.List(prefix, after)
	for _, key := range keys {
		if o := s.Get(key); o != nil {
			page.Blobs.Blob = append(page.Blobs.Blob, blob{key, properties{o.Modified.Format(http.TimeFormat), strings.Trim(etag(o), `"`), len(o.Data), "BlockBlob"}})
		}
	}
	if more {
		page.NextMarker = keys[len(keys)-1]
	}
	w.Header().Set("Content-Type", "application/xml")
	reply(w, page)
}

func (s *Server) read(w http.ResponseWriter, r *http.Request, key string) {
	o := s.Get(key)
	if o == nil {
		fail(w, r, 404, "BlobNotFound")
		return
	}
	if want := r.Header.Get("If-Match"); want != "" && want != etag(o) {
		fail(w, r, 412, "ConditionNotMet")
		return
	}
	w.Header().Set("ETag", etag(o))
	w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	for name, value := range o.Meta {
		w.Header().Set("X-Ms-Meta-"+name, value)
	}
	s.Serve(w, r, o)
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, key string, data []byte, meta map[string]string) bool {
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	o, err := s.Put(key, data, meta, func(o *objects.Object) bool {
		return (none == "" || o == nil) && (match == "" || o != nil && etag(o) == match)
	})
	if err != nil {
		status, code := 412, "ConditionNotMet"
		if none != "" {
			status, code = 409, "BlobAlreadyExists"
		}
		fail(w, r, status, code)
		return false
	}
	s.Lost(w)
	w.Header().Set("ETag", etag(o))
	w.Header().Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	w.WriteHeader(201)
	return true
}

func (s *Server) stage(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.FormValue("blockid")
	raw, err := base64.StdEncoding.DecodeString(id)
	if err != nil || len(raw) > 64 || len(body) == 0 {
		fail(w, r, 400, "InvalidBlockId")
		return
	}
	for other := range s.blocks[key] {
		if len(other) != len(id) { // the documentation demands it
			fail(w, r, 400, "InvalidBlobOrBlock")
			return
		}
	}
	if s.blocks[key] == nil {
		s.blocks[key] = map[string][]byte{}
	}
	s.blocks[key][id] = slices.Clone(body)
	w.WriteHeader(201)
}

func (s *Server) commit(w http.ResponseWriter, r *http.Request, key string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list struct{ Latest []string }
	if err := xml.Unmarshal(body, &list); err != nil {
		fail(w, r, 400, "InvalidXmlDocument")
		return
	}
	var whole []byte
	blocks := map[string][]byte{}
	for _, id := range list.Latest {
		data, there := s.blocks[key][id]
		if !there {
			data, there = s.lists[key][id]
		}
		if !there {
			fail(w, r, 400, "InvalidBlockList")
			return
		}
		blocks[id], whole = data, append(whole, data...)
	}
	meta := map[string]string{}
	for name := range r.Header {
		if rest, ok := strings.CutPrefix(name, "X-Ms-Meta-"); ok {
			meta[rest] = r.Header.Get(name)
		}
	}
	if r.ContentLength != int64(len(body)) {
		fail(w, r, 411, "MissingContentLengthHeader "+strconv.Itoa(len(body)))
		return
	}
	// What the list does not name is gone with it.
	held, committed := s.blocks[key], s.lists[key]
	delete(s.blocks, key)
	s.lists[key] = blocks
	if !s.put(w, r, key, whole, meta) {
		s.blocks[key], s.lists[key] = held, committed
	}
}

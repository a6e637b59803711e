package snowflake

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"elt/internal/fake/snowflake/engine"
)

// upload is a PUT that was answered: its token stands in the presigned URL.
type upload struct {
	token string
	query string
	put   *engine.Upload
}

func (s *Server) newUpload(p *engine.Upload, q *query) *upload {
	u := &upload{token: newToken(), query: q.id, put: p}
	s.mu.Lock()
	s.uploads[u.token] = u
	s.mu.Unlock()
	return u
}

// uploadReply is the answer to PUT. The presigned URL is good for the file the
// statement names, which is why the driver repeats the statement per file.
func (s *Server) uploadReply(data map[string]any, u *upload) {
	info := map[string]any{"locationType": "GCS", "location": "fake-bucket/" + u.token + "/", "path": "/" + u.token + "/", "region": "LOOPBACK", "storageAccount": nil,
		"isClientSideEncrypted": true, "creds": map[string]any{}, "endPoint": nil,
		"presignedUrl": s.URL() + "/storage/" + u.token + "/" + url.PathEscape(base(u.put.Source))}
	if u.put.Local != "" {
		info = map[string]any{"locationType": "LOCAL_FS", "location": u.put.Local, "path": "", "creds": map[string]any{}, "isClientSideEncrypted": false}
	} else {
		data["encryptionMaterial"] = map[string]any{"queryStageMasterKey": u.put.Key, "queryId": u.query, "smkId": 4711}
	}
	data["command"], data["kind"], data["operation"] = "UPLOAD", nil, "Node"
	data["src_locations"], data["parallel"], data["threshold"] = []string{u.put.Source}, u.put.Parallel, 209715200
	data["autoCompress"], data["overwrite"], data["sourceCompression"] = u.put.AutoCompress, u.put.Overwrite, u.put.SourceCompression
	data["clientShowEncryptionParameter"], data["stageInfo"], data["uploadInfo"] = false, info, info
}

// base is the name of the file a PUT names. For PUT 'dir/part*.gz' the driver
// repeats the statement with 'dir/part*part1.gz' (it trims the pattern by a
// set of characters), so a name begins after the last star.
func base(path string) string {
	return path[strings.LastIndexAny(path, `/\*`)+1:]
}

// store takes an upload to a presigned URL.
func (s *Server) store(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	u := s.uploads[r.PathValue("token")]
	s.mu.Unlock()
	if u == nil {
		http.Error(w, "AccessDenied", http.StatusForbidden)
		return
	}
	if r.Header.Get("x-goog-meta-encryptiondata") == "" {
		http.Error(w, "fake: the file is not encrypted", http.StatusBadRequest)
		return
	}
	err := u.put.Store(r.PathValue("name"), r.Body, r.Header.Get("x-goog-meta-sfc-digest"), r.Header.Get("x-goog-meta-encryptiondata"), r.Header.Get("x-goog-meta-matdesc"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	io.WriteString(w, "")
}

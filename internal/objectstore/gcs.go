package objectstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"elt/internal/fault"
)

// gcsStore is a bucket of Cloud Storage, by its JSON API
// (https://cloud.google.com/storage/docs/json_api).
type gcsStore struct {
	connections
	bucket string
	base   string // without a slash at the end
	client *http.Client
}

const gcsScope = "https://www.googleapis.com/auth/devstorage.read_write"

func openGCS(ctx context.Context, bucket string, a Access) (Store, error) {
	open := newConnections()
	g := &gcsStore{connections: open, bucket: bucket, base: strings.TrimSuffix(a.GCSEndpoint, "/"), client: open.client()}
	emulated := os.Getenv("STORAGE_EMULATOR_HOST")
	if g.base == "" && emulated != "" {
		if g.base = emulated; !strings.Contains(emulated, "://") {
			g.base = "http://" + emulated
		}
	}
	if g.base != "" && a.GCSCredentials == "" {
		return g, nil // an emulator asks for no login
	}
	if g.base == "" {
		g.base = "https://storage.googleapis.com"
	}
	tokens, err := gcsLogin(context.WithValue(ctx, oauth2.HTTPClient, open.client()), a.GCSCredentials)
	if err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "no credentials for gs://%s were found", bucket).WithKind(fault.KindAuth).
			WithHint("set gcs_credentials or GOOGLE_APPLICATION_CREDENTIALS to a service account's key, or run gcloud auth application-default login")
	}
	g.client.Transport = &oauth2.Transport{Source: tokens, Base: open.Transport}
	return g, nil
}

func gcsLogin(ctx context.Context, said string) (oauth2.TokenSource, error) {
	ctx = context.WithoutCancel(ctx) // tokens are fetched for as long as the store is used
	if said == "" {
		found, err := google.FindDefaultCredentials(ctx, gcsScope)
		if err != nil {
			return nil, err
		}
		return found.TokenSource, nil
	}
	text := []byte(said)
	if !strings.HasPrefix(strings.TrimSpace(said), "{") {
		var err error
		if text, err = os.ReadFile(said); err != nil {
			return nil, fmt.Errorf("read gcs_credentials: %w", err)
		}
	}
	found, err := google.CredentialsFromJSON(ctx, text, gcsScope)
	if err != nil {
		return nil, errors.New("gcs_credentials is no key of a service account") // the cause may show parts of it
	}
	return found.TokenSource, nil
}

// gcsReply is an answer that is not the one hoped for.
type gcsReply struct {
	status int
	text   string
}

func (e *gcsReply) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

// passing: the same request may succeed later.
func (e *gcsReply) passing() bool {
	return e.status == 408 || e.status == 429 || e.status >= 500
}

// ask makes a request until it is answered; body may be nil. A status in ok is
// no error. The caller closes the answer's body.
func (g *gcsStore) ask(ctx context.Context, method, url string, header http.Header, body []byte, ok ...int) (*http.Response, error) {
	for n := 1; ; n++ {
		reply, err := g.once(ctx, method, url, header, body, ok)
		var said *gcsReply
		var refused *oauth2.RetrieveError
		if err == nil || ctx.Err() != nil || n >= attempts || errors.As(err, &said) && !said.passing() || errors.As(err, &refused) {
			return reply, err
		}
		if err := pause(ctx, n); err != nil {
			return nil, err
		}
	}
}

func (g *gcsStore) once(ctx context.Context, method, url string, header http.Header, body []byte, ok []int) (*http.Response, error) {
	ask, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		ask.Header[name] = values
	}
	reply, err := g.client.Do(ask)
	if err != nil {
		return nil, err
	}
	if reply.StatusCode/100 == 2 {
		return reply, nil
	}
	for _, status := range ok {
		if reply.StatusCode == status {
			return reply, nil
		}
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	said := &gcsReply{reply.StatusCode, strings.TrimSpace(string(text))}
	var told struct {
		Error struct{ Message string }
	}
	if json.Unmarshal(text, &told) == nil && told.Error.Message != "" {
		said.text = told.Error.Message
	}
	return nil, said
}

// gcsObject is an object's metadata, with the fields that are looked at.
type gcsObject struct {
	Name       string            `json:"name"`
	Size       string            `json:"size"`
	Generation string            `json:"generation"`
	Updated    time.Time         `json:"updated"`
	Metadata   map[string]string `json:"metadata"`
}

func (o gcsObject) object() (Object, error) {
	size, err := strconv.ParseInt(o.Size, 10, 64)
	return Object{Key: o.Name, Size: size, Modified: o.Updated, Version: o.Generation, Token: o.Metadata[tokenKey]}, err
}

// at is the URL of an object's metadata; key "" is the list.
func (g *gcsStore) at(key string, query url.Values) string {
	where := g.base + "/storage/v1/b/" + url.PathEscape(g.bucket) + "/o"
	if key != "" {
		where += "/" + url.PathEscape(key)
	}
	if len(query) > 0 {
		where += "?" + query.Encode()
	}
	return where
}

// decoded reads an answer in JSON.
func decoded(reply *http.Response, into any) error {
	defer reply.Body.Close()
	return json.NewDecoder(reply.Body).Decode(into)
}

func (g *gcsStore) List(ctx context.Context, prefix string, each func(Object) error) error {
	query := url.Values{"prefix": {prefix}, "fields": {"nextPageToken,items(name,size,generation,updated)"}}
	for {
		var page struct {
			Items         []gcsObject
			NextPageToken string
		}
		reply, err := g.ask(ctx, "GET", g.at("", query), nil, nil)
		if err == nil {
			err = decoded(reply, &page)
		}
		if err != nil {
			return g.explain(err, "list", prefix)
		}
		for _, item := range page.Items {
			o, err := item.object()
			if err == nil {
				err = each(o)
			}
			if err != nil {
				return err
			}
		}
		if page.NextPageToken == "" {
			return nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

func (g *gcsStore) Stat(ctx context.Context, key string) (Object, error) {
	reply, err := g.ask(ctx, "GET", g.at(key, nil), nil, nil)
	var found gcsObject
	if err == nil {
		err = decoded(reply, &found)
	}
	if err != nil {
		return Object{}, g.explain(err, "look at", key)
	}
	return found.object()
}

func (g *gcsStore) Open(ctx context.Context, key, version string, from, to int64) (io.ReadCloser, error) {
	query := url.Values{"alt": {"media"}}
	if version != "" {
		query.Set("generation", version)
	}
	// Said aloud, the encoding of an object that is kept as gzip stays as it is.
	header := http.Header{"Accept-Encoding": {"gzip"}}
	if span := byteRange(from, to); span != "" {
		header.Set("Range", span)
	}
	reply, err := g.ask(ctx, "GET", g.at(key, query), header, nil)
	var said *gcsReply
	if version != "" && errors.As(err, &said) && said.status == 404 {
		if _, err := g.Stat(ctx, key); err == nil { // another generation
			return nil, fmt.Errorf("read gs://%s/%s: %w", g.bucket, key, ErrChanged)
		}
	}
	if err != nil {
		return nil, g.explain(err, "read", key)
	}
	return reply.Body, nil
}

// upload is the URL where an object is sent to.
func (g *gcsStore) upload(kind, key string, query url.Values) string {
	query.Set("uploadType", kind)
	query.Set("name", key)
	return g.base + "/upload/storage/v1/b/" + url.PathEscape(g.bucket) + "/o?" + query.Encode()
}

func (g *gcsStore) Put(ctx context.Context, key string, data []byte, was string) (string, error) {
	if was == "" {
		was = "0"
	}
	reply, err := g.ask(ctx, "POST", g.upload("media", key, url.Values{"ifGenerationMatch": {was}}), http.Header{"Content-Type": {"application/octet-stream"}}, data)
	var made gcsObject
	if err == nil {
		err = decoded(reply, &made)
	}
	if err != nil {
		return "", g.explain(err, "write", key)
	}
	return made.Generation, nil
}

func (g *gcsStore) Remove(ctx context.Context, key string) error {
	reply, err := g.ask(ctx, "DELETE", g.at(key, nil), nil, nil, 404)
	if err != nil {
		return g.explain(err, "delete", key)
	}
	return reply.Body.Close()
}

// reason is what a token endpoint said (RFC 6749, section 5.2).
func reason(refused *oauth2.RetrieveError) string {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(refused.Body, &said) != nil {
		return "it answered with no reason"
	}
	return said.Error + ", " + said.Description
}

// explain names what a user can mend.
func (g *gcsStore) explain(err error, did, key string) error {
	what := did + " gs://" + g.bucket + "/" + key
	var said *gcsReply
	var refused *oauth2.RetrieveError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return fault.New(fault.BadConfig, "%s: the login is refused: %s", what, reason(refused)).WithKind(fault.KindAuth).WithHint("is the service account's key still valid?")
	case !errors.As(err, &said):
		return fmt.Errorf("%s: %w", what, err)
	case said.status == 404 && strings.Contains(said.text, "bucket does not exist"):
		return fault.New(fault.BadConfig, "%s: there is no bucket %q", what, g.bucket).WithKind(fault.KindPath)
	case said.status == 404:
		return fmt.Errorf("%s: %w", what, fs.ErrNotExist)
	case said.status == 412:
		return fmt.Errorf("%s: %w", what, ErrChanged)
	case said.status == 401:
		return fault.Wrap(fault.BadConfig, err, "%s: the login is refused or has expired", what).WithKind(fault.KindAuth)
	case said.status == 403:
		return fault.Wrap(fault.BadConfig, err, "%s: access is denied", what).WithKind(fault.KindPermission).WithHint("reading wants the role Storage Object Viewer, writing Storage Object User")
	}
	return fmt.Errorf("%s: %w", what, err)
}

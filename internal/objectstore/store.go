// Package objectstore is buckets: s3://, gs:// and az:// behind one small
// Store. Objects appear complete or not at all; reads go on where a
// connection broke; what may be tried again is tried again. A caller that
// knows a URL needs Open, a Store and a Reader; which vendor it is shows only
// in the errors.
package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"elt/internal/fault"
)

// ErrChanged: the object is not the version that was asked for.
var ErrChanged = errors.New("the object was changed meanwhile")

// Object is one that is there.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time
	Version  string // an ETag or a generation: another one for other content
	Token    string // of the Staged that it was; from Stat only
}

// Store is one bucket, or container. Its methods may be called at the same
// time; each tries again by itself what is worth it. Errors name the bucket
// and what was tried; one about an object that is not there is fs.ErrNotExist.
type Store interface {
	// List calls each for all objects whose key begins with prefix, ordered by
	// the bytes of their keys. An error of each ends it.
	List(ctx context.Context, prefix string, each func(Object) error) error
	Stat(ctx context.Context, key string) (Object, error)
	// Open reads bytes [from, to) of an object; to < 0 is its end. ErrChanged
	// if its version is another one; version "" is any.
	Open(ctx context.Context, key, version string, from, to int64) (io.ReadCloser, error)
	// Put writes a small object, if it has the version was; "" is that there
	// is none. Otherwise it fails with ErrChanged. It returns the new version.
	Put(ctx context.Context, key string, data []byte, was string) (version string, err error)
	// Stage brings the bytes of an object to the bucket, where nobody sees
	// them; memory is a few parts of partSize. What fails leaves nothing that
	// Cancel would have to remove. fresh: it is for a key that has no object.
	Stage(ctx context.Context, key, token string, fresh bool, data io.ReaderAt, size int64) (*Staged, error)
	// Publish makes a staged object visible, in one step. A fresh one fails
	// with ErrChanged when there is an object of that key.
	Publish(ctx context.Context, s *Staged) error
	// Cancel gives up what was staged, by this process or another one, so that
	// it cannot be published any more where the vendor can do that. It does
	// nothing to what was published.
	Cancel(ctx context.Context, s *Staged) error
	// Remove deletes an object, if it is there.
	Remove(ctx context.Context, key string) error
	// Close closes connections that are idle.
	Close()
}

// Staged is an object's bytes before it is visible. Its JSON is enough for
// Cancel.
type Staged struct {
	Key    string `json:"key"`
	Token  string `json:"token"`            // the object keeps it
	Upload string `json:"upload,omitempty"` // the vendor's name of the upload

	fresh bool
	size  int64
	parts []string // what the vendor wants to hear of them at the end
	last  []byte   // GCS: the bytes that complete the upload
}

// Location is a URL of a bucket, taken apart.
type Location struct{ Scheme, Bucket, Key string }

// URL is the URL of another object of the bucket.
func (l Location) URL(key string) string { return l.Scheme + "://" + l.Bucket + "/" + key }

// IsURL says whether a path is in a bucket.
func IsURL(path string) bool {
	for _, scheme := range []string{"s3://", "gs://", "az://"} {
		if strings.HasPrefix(path, scheme) {
			return true
		}
	}
	return false
}

// Parse takes s3://bucket/key apart.
func Parse(url string) (Location, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	bucket, key, _ := strings.Cut(rest, "/")
	if !IsURL(url) || bucket == "" {
		return Location{}, fault.New(fault.BadConfig, "%q is no URL of a bucket", url).
			WithHint("write s3://bucket/path, gs://bucket/path or az://container/path")
	}
	return Location{scheme, bucket, key}, nil
}

// Open makes a Store of a URL's bucket. It looks for credentials, but does not
// ask the bucket yet.
func Open(ctx context.Context, at Location, access Access) (Store, error) {
	switch at.Scheme {
	case "s3":
		return openS3(ctx, at.Bucket, access)
	case "gs":
		return openGCS(ctx, at.Bucket, access)
	case "az":
		return openAzure(at.Bucket, access)
	}
	return nil, fmt.Errorf("no store is known for %s://", at.Scheme)
}

// connections is a Store's part that keeps connections open.
type connections struct{ *http.Transport }

func newConnections() connections {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = idle
	return connections{t}
}

func (c connections) client() *http.Client { return &http.Client{Transport: c.Transport} }

// Close implements Store.
func (c connections) Close() { c.CloseIdleConnections() }

const (
	// attempts is how often a request is made before it fails.
	attempts = 8
	// idle is how many connections wait for their next request.
	idle = 16
	// abreast is how many parts of one object are on their way at once.
	abreast = 3
)

// partSize is how large parts are: as small as allowed, as large as needed for
// no more than 10 000 of them.
func partSize(size int64) int64 {
	const least, most = 8 << 20, 9000
	need := (size + most - 1) / most
	return max(least, (need+1<<20-1)>>20<<20)
}

// Package objects is what the fakes of object stores share: one bucket in
// memory, and the mishaps that a test may order.
package objects

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Object is one that is there.
type Object struct {
	Data       []byte
	Meta       map[string]string
	Modified   time.Time
	Generation int64
}

// Bucket is safe for concurrent use.
type Bucket struct {
	Name string
	Page int // how many objects a list shows at a time

	mu         sync.Mutex
	objects    map[string]*Object
	generation int64
	busy       int // requests to turn away
	status     int
	cut        int // reads to break off
	lost       int // replies of writes to lose
	requests   int
}

// New is an empty bucket.
func New(name string) *Bucket {
	return &Bucket{Name: name, Page: 3, objects: map[string]*Object{}}
}

// Get is an object, nil if there is none. It must not be changed.
func (b *Bucket) Get(key string) *Object {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.objects[key]
}

// Keys are all keys, in order.
func (b *Bucket) Keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.objects))
}

// ErrCondition says that the bucket is not as a condition wants it.
var ErrCondition = errors.New("the condition does not hold")

// Put stores an object if the one that is there (nil: none) is as wanted; a
// nil wanted asks nothing.
func (b *Bucket) Put(key string, data []byte, meta map[string]string, wanted func(*Object) bool) (*Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wanted != nil && !wanted(b.objects[key]) {
		return nil, ErrCondition
	}
	b.generation++
	o := &Object{Data: data, Meta: meta, Modified: time.Now().UTC().Truncate(time.Second), Generation: b.generation}
	b.objects[key] = o
	return o, nil
}

// Delete says whether there was such an object.
func (b *Bucket) Delete(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, there := b.objects[key]
	delete(b.objects, key)
	return there
}

// List is a page of keys behind after; more says that others follow.
func (b *Bucket) List(prefix, after string) (keys []string, more bool) {
	for _, key := range b.Keys() {
		if !strings.HasPrefix(key, prefix) || key <= after {
			continue
		}
		if len(keys) == b.Page {
			return keys, true
		}
		keys = append(keys, key)
	}
	return keys, false
}

// Fail makes the next n requests fail with a status.
func (b *Bucket) Fail(n, status int) { b.order(func() { b.busy, b.status = n, status }) }

// Cut makes the next n reads of objects break off in their middle.
func (b *Bucket) Cut(n int) { b.order(func() { b.cut = n }) }

// Lose makes the next n writes happen without a reply.
func (b *Bucket) Lose(n int) { b.order(func() { b.lost = n }) }

func (b *Bucket) order(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *Bucket) take(n *int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if *n > 0 {
		*n--
		return true
	}
	return false
}

// Busy is the status to turn a request away with, 0 for none.
func (b *Bucket) Busy() int {
	b.order(func() { b.requests++ })
	if b.take(&b.busy) {
		return b.status
	}
	return 0
}

// Requests counts those that came.
func (b *Bucket) Requests() (n int) {
	b.order(func() { n = b.requests })
	return n
}

// Lost says that the reply of a write that happened is to be lost; it then
// has broken the connection.
func (b *Bucket) Lost(w http.ResponseWriter) bool {
	if !b.take(&b.lost) {
		return false
	}
	panic(http.ErrAbortHandler)
}

// Serve writes an object's bytes, or a range of them.
func (b *Bucket) Serve(w http.ResponseWriter, r *http.Request, o *Object) {
	from, to, status := 0, len(o.Data), http.StatusOK
	if span := r.Header.Get("Range") + r.Header.Get("X-Ms-Range"); span != "" {
		first, last, ok := strings.Cut(strings.TrimPrefix(span, "bytes="), "-")
		n, err := strconv.Atoi(first)
		if !ok || err != nil || n >= len(o.Data) {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		from, status = n, http.StatusPartialContent
		if n, err := strconv.Atoi(last); err == nil {
			to = min(n+1, to)
		}
		w.Header().Set("Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(to-1)+"/"+strconv.Itoa(len(o.Data)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(to-from))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if to-from > 1 && b.take(&b.cut) {
		_, _ = w.Write(o.Data[from : from+(to-from)/2]) // the connection breaks anyway
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(o.Data[from:to]) // a reader that is gone needs no error
}

// Body is a request's body.
func Body(r *http.Request) ([]byte, error) { return io.ReadAll(r.Body) }

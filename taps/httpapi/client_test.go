package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"testing"
	"time"
)

func ask(t *testing.T, ctx context.Context, o Options, handle http.HandlerFunc) (*Response, error) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	o.Secrets, o.Pause, o.Longest = &Secrets{}, time.Millisecond, time.Second
	if o.Silence == 0 {
		o.Silence = 10 * time.Second
	}
	c := NewClient(o)
	t.Cleanup(c.Close)
	return c.Do(ctx, &Request{Method: "GET", URL: u})
}

// A large answer goes to a file, is read whole, twice, and costs no memory.
func TestLargeAnswers(t *testing.T) {
	piece := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	res, err := ask(t, t.Context(), Options{}, func(w http.ResponseWriter, _ *http.Request) {
		for range 600 {
			_, _ = w.Write(piece)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	for range 2 {
		if n, err := io.Copy(io.Discard, res.Reader()); err != nil || n != int64(600*len(piece)) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	var m runtime.MemStats
	runtime.GC()
	if runtime.ReadMemStats(&m); m.HeapAlloc > 24<<20 {
		t.Errorf("%d MiB in memory", m.HeapAlloc>>20)
	}
}

func TestAContextThatEndsStopsTheWaiting(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	asked := 0
	_, err := ask(t, ctx, Options{Retries: 100}, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 3 {
			cancel(enough)
		}
		w.Header().Set("Retry-After", "1")
		if asked < 3 {
			w.Header().Set("Retry-After", "0")
		}
		w.WriteHeader(503)
	})
	if !errors.Is(err, enough) {
		t.Errorf("%v", err)
	}
	cancel(nil)
}

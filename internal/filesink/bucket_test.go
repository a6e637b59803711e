package filesink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"elt/internal/fake/s3"
	"elt/internal/objectstore"
	"elt/internal/row"
	"elt/targets"
)

// dying is a Store whose process dies at the k-th call, which still arrives or
// not; its reply does not, and nothing follows.
type dying struct {
	objectstore.Store
	mu       sync.Mutex // calls come from several goroutines
	calls, k int
	arrives  bool
}

var errDead = errors.New("killed")

func (d *dying) step(do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.k == 0 || d.calls < d.k {
		return do()
	}
	if d.calls == d.k && d.arrives {
		_ = do() // nobody hears of it
	}
	return errDead
}

func (d *dying) Put(ctx context.Context, key string, data []byte, was string) (version string, err error) {
	err = d.step(func() (err error) { version, err = d.Store.Put(ctx, key, data, was); return err })
	return version, err
}

func (d *dying) Stage(ctx context.Context, key, token string, fresh bool, data io.ReaderAt, size int64) (s *objectstore.Staged, err error) {
	err = d.step(func() (err error) { s, err = d.Store.Stage(ctx, key, token, fresh, data, size); return err })
	return s, err
}

func (d *dying) Publish(ctx context.Context, s *objectstore.Staged) error {
	return d.step(func() error { return d.Store.Publish(ctx, s) })
}
func (d *dying) Cancel(ctx context.Context, s *objectstore.Staged) error {
	return d.step(func() error { return d.Store.Cancel(ctx, s) })
}
func (d *dying) Remove(ctx context.Context, key string) error {
	return d.step(func() error { return d.Store.Remove(ctx, key) })
}
func (d *dying) Stat(ctx context.Context, key string) (o objectstore.Object, err error) {
	err = d.step(func() (err error) { o, err = d.Store.Stat(ctx, key); return err })
	return o, err
}

func bucketOptions(t *testing.T, v *s3.Server) Options {
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	o := options("s3://lake/out")
	o.Access = objectstore.Access{AWSKey: s3.Key, AWSSecret: s3.Secret, AWSRegion: s3.Region, AWSEndpoint: v.URL}
	return o
}

// loadTwo is a run: it goes on behind what the bucket says, and writes rows
// up to 4, in two commits of two streams each.
func loadTwo(t *testing.T, o Options, k int, arrives bool) (calls int, err error) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abort()
	d := &dying{Store: s.bucket.store, k: k, arrives: arrives}
	s.bucket.store = d
	var at int64
	err = s.Claim(t.Context(), "dev:x", func(f targets.Fence) (targets.Fence, error) {
		var n struct{ N int64 }
		if raw := f.Bookmarks.Stream("a"); raw != nil {
			if err := json.Unmarshal(raw, &n); err != nil {
				t.Fatal(err)
			}
		}
		at = n.N
		f.Epoch, f.Found = f.Epoch+1, true
		return f, nil
	})
	if err != nil {
		return d.calls, err
	}
	lane, err := s.Lane(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	loaders := map[string]targets.Loader{}
	for ; at < 4; at += 2 {
		for _, stream := range []string{"a", "b"} {
			schema := &row.Schema{Stream: stream, Columns: []row.Column{{Name: "n", Kind: row.Int64, Wire: row.WireInt8}}}
			if loaders[stream] == nil {
				if loaders[stream], err = lane.Stream(t.Context(), schema); err != nil {
					t.Fatal(err)
				}
			}
			b := &row.Batch{Schema: schema}
			for i := at; i < at+2; i++ {
				b.Begin()
				b.Int8(i)
				b.End()
			}
			if err := loaders[stream].Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		value := json.RawMessage(fmt.Sprintf(`{"n":%d}`, at+2))
		if err := lane.Commit(t.Context(), targets.Commit{Streams: map[string]json.RawMessage{"a": value, "b": value}}); err != nil {
			return d.calls, err
		}
	}
	return d.calls, nil
}

// Wherever a run dies, the next one leaves each row in the bucket once
// (invariants 3 and 4).
func TestKilledInABucketAtEveryCall(t *testing.T) {
	count := func() int {
		v := s3.Start("lake")
		defer v.Close()
		n, err := loadTwo(t, bucketOptions(t, v), 0, false)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}()
	if count < 10 {
		t.Fatalf("only %d calls", count)
	}
	for k := 1; k <= count; k++ {
		for _, arrives := range []bool{false, true} {
			v := s3.Start("lake")
			o := bucketOptions(t, v)
			if _, err := loadTwo(t, o, k, arrives); err == nil {
				t.Errorf("call %d: it did not die", k)
			}
			if _, err := loadTwo(t, o, 0, false); err != nil {
				t.Errorf("call %d: the next run: %v", k, err)
			}
			for _, stream := range []string{"a", "b"} {
				rows := map[string]int{}
				for _, key := range v.Keys() {
					if bytes.HasPrefix([]byte(key), []byte("out/"+stream)) {
						for _, line := range bytes.Split(bytes.TrimSpace(v.Get(key).Data), []byte("\n")) {
							rows[string(line)]++
						}
					}
				}
				for line, n := range rows {
					if n != 1 {
						t.Errorf("call %d (%v): %s stands there %d times", k, arrives, line, n)
					}
				}
				if len(rows) != 4 {
					t.Errorf("call %d (%v): stream %s has %v", k, arrives, stream, rows)
				}
			}
			v.Close()
		}
	}
}

package objectstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"elt/internal/fake/azblob"
	"elt/internal/fake/gcs"
	"elt/internal/fake/objects"
	"elt/internal/fake/s3"
	"elt/internal/fault"
)

func TestMain(m *testing.M) {

	goleak.VerifyTestMain(m)
}

// service is one vendor's fake.
type service struct {
	scheme  string
	bucket  *objects.Bucket
	access  Access
	uploads func() []string // nil: they cannot be seen
	deny    func()
}

func services(t *testing.T) []service {
	t.Helper()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nowhere")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
	a, g, z := s3.Start("lake"), gcs.Start("lake"), azblob.Start("lake")
	t.Cleanup(a.Close)
	t.Cleanup(g.Close)
	t.Cleanup(z.Close)
	return []service{
		{"s3", a.Bucket, Access{AWSKey: s3.Key, AWSSecret: s3.Secret, AWSRegion: s3.Region, AWSEndpoint: a.URL}, a.Uploads, func() { a.Denied = true }},
		{"gs", g.Bucket, Access{GCSCredentials: g.Credentials(), GCSEndpoint: g.URL}, g.Uploads, func() { g.Denied = true }},
		{"az", z.Bucket, Access{AzureAccount: azblob.Account, AzureKey: azblob.Key, AzureEndpoint: z.URL}, nil, func() { z.Denied = true }},
	}
}

func (s service) open(t *testing.T, bucket string) Store {
	t.Helper()
	store, err := Open(t.Context(), Location{s.scheme, bucket, ""}, s.access)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

// The contract of Store, held to every vendor.
func TestStores(t *testing.T) {
	for _, s := range services(t) {
		t.Run(s.scheme, func(t *testing.T) {
			store := s.open(t, "lake")
			t.Run("list", func(t *testing.T) { testList(t, s, store) })
			t.Run("put", func(t *testing.T) { testPut(t, s, store) })
			t.Run("read", func(t *testing.T) { testRead(t, s, store) })
			t.Run("stage", func(t *testing.T) { testStage(t, s, store) })
			t.Run("errors", func(t *testing.T) { testErrors(t, s, store) })
		})
	}
}

func keys(t *testing.T, store Store, prefix string) (out []string) {
	t.Helper()
	if err := store.List(t.Context(), prefix, func(o Object) error {
		out = append(out, fmt.Sprintf("%s:%d", o.Key, o.Size))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func testList(t *testing.T, s service, store Store) {
	var want []string
	for i := range 8 { // several pages
		key := fmt.Sprintf("in/a %d+é%%.csv", i)
		want = append(want, fmt.Sprintf("%s:%d", key, i))
		if _, err := s.bucket.Put(key, make([]byte, i), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.bucket.Put("other", nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	s.bucket.Fail(2, 503)
	if got := keys(t, store, "in/"); !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	enough := errors.New("enough")
	if err := store.List(t.Context(), "", func(Object) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("the list went on: %v", err)
	}
	listed := Object{}
	for _, key := range []string{"in/a 7+é%.csv"} {
		o, err := store.Stat(t.Context(), key)
		if err != nil || o.Size != 7 || o.Key != key || o.Modified.IsZero() {
			t.Errorf("%+v, %v", o, err)
		}
		if err := store.List(t.Context(), key, func(o Object) error { listed = o; return nil }); err != nil || listed.Version != o.Version || !listed.Modified.Equal(o.Modified) {
			t.Errorf("listed as %+v, looked at as %+v, %v", listed, o, err)
		}
	}
	if _, err := store.Stat(t.Context(), "absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func testPut(t *testing.T, s service, store Store) {
	first, err := store.Put(t.Context(), "journal", []byte("1"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), "journal", []byte("2"), ""); !errors.Is(err, ErrChanged) {
		t.Errorf("what is there was made: %v", err)
	}
	second, err := store.Put(t.Context(), "journal", []byte("3"), first)
	if err != nil || second == first {
		t.Fatal(second, err)
	}
	if _, err := store.Put(t.Context(), "journal", []byte("4"), first); !errors.Is(err, ErrChanged) {
		t.Errorf("what has changed was replaced: %v", err)
	}
	if got := string(s.bucket.Get("journal").Data); got != "3" {
		t.Error(got)
	}
	if o, err := store.Stat(t.Context(), "journal"); err != nil || o.Version != second {
		t.Errorf("%+v, %v, want %s", o, err, second)
	}
	for range 2 {
		if err := store.Remove(t.Context(), "journal"); err != nil {
			t.Error(err)
		}
	}
	if s.bucket.Get("journal") != nil {
		t.Error("it is still there")
	}
}

func noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{1})
	out := make([]byte, n)
	random.Read(out)
	return out
}

// A read that breaks off goes on; an object that changes under it does not.
func testRead(t *testing.T, s service, store Store) {
	want := noise(300_000)
	if _, err := s.bucket.Put("big", want, nil, nil); err != nil {
		t.Fatal(err)
	}
	o, err := store.Stat(t.Context(), "big")
	if err != nil {
		t.Fatal(err)
	}
	s.bucket.Cut(3)
	in := NewReader(t.Context(), store, o)
	got, err := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	at := NewReaderAt(t.Context(), store, o)
	part := make([]byte, 1000)
	s.bucket.Cut(1)
	if n, err := at.ReadAt(part, 1234); n != 1000 || err != nil || !bytes.Equal(part, want[1234:2234]) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := at.ReadAt(part, 299_900); n != 100 || err != io.EOF || !bytes.Equal(part[:100], want[299_900:]) {
		t.Errorf("%d bytes, %v", n, err)
	}
	in = NewReader(t.Context(), store, o)
	if _, err := s.bucket.Put("big", noise(300_001), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Read(part); !errors.Is(err, ErrChanged) {
		t.Errorf("another version was read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewReader(ctx, store, o).Read(part); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func testStage(t *testing.T, s service, store Store) {
	none := func(what string) {
		t.Helper()
		if s.uploads != nil && len(s.uploads()) > 0 {
			t.Errorf("%s: uploads are left: %v", what, s.uploads())
		}
	}
	for _, size := range []int{0, 1, 8 << 20, 17<<20 + 5} { // none, one part, a whole one, several
		key := fmt.Sprintf("out/%d", size)
		want := noise(size)
		s.bucket.Fail(1, 503)
		staged, err := store.Stage(t.Context(), key, "token-1", true, bytes.NewReader(want), int64(size))
		if err != nil {
			t.Fatal(err)
		}
		if s.bucket.Get(key) != nil {
			t.Errorf("%s is visible before it is published", key)
		}
		s.bucket.Lose(1)
		if err := store.Publish(t.Context(), staged); err != nil {
			t.Fatal(err)
		}
		if got := s.bucket.Get(key); got == nil || !bytes.Equal(got.Data, want) {
			t.Errorf("%s is not what was written", key)
		}
		if o, err := store.Stat(t.Context(), key); err != nil || o.Token != "token-1" || o.Size != int64(size) {
			t.Errorf("%+v, %v", o, err)
		}
		none(key)
	}
	// A key that is taken is not overwritten, unless that was wanted.
	staged, err := store.Stage(t.Context(), "out/1", "token-2", true, strings.NewReader("new"), 3)
	if err == nil {
		err = store.Publish(t.Context(), staged)
	}
	if !errors.Is(err, ErrChanged) || len(s.bucket.Get("out/1").Data) != 1 {
		t.Errorf("an object was overwritten: %v", err)
	}
	if err := store.Cancel(t.Context(), staged); err != nil {
		t.Error(err)
	}
	staged, err = store.Stage(t.Context(), "out/1", "token-3", false, strings.NewReader("new"), 3)
	if err == nil {
		err = store.Publish(t.Context(), staged)
	}
	if err != nil || string(s.bucket.Get("out/1").Data) != "new" {
		t.Error(err)
	}
	// What is cancelled by somebody who only knows the journal, stays away.
	staged, err = store.Stage(t.Context(), "out/cancelled", "token-4", true, strings.NewReader("new"), 3)
	if err != nil {
		t.Fatal(err)
	}
	var told *Staged
	text, _ := json.Marshal(staged)
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := store.Cancel(t.Context(), told); err != nil {
			t.Error(err)
		}
	}
	if s.uploads != nil {
		if err := store.Publish(t.Context(), staged); err == nil || s.bucket.Get("out/cancelled") != nil {
			t.Errorf("it was published all the same: %v", err)
		}
	}
	none("cancelled")
	broken := io.NewSectionReader(failing{}, 0, 20<<20)
	if _, err := store.Stage(t.Context(), "out/broken", "token-5", true, broken, 20<<20); err == nil {
		t.Error("a source that fails is no object")
	}
	none("broken")
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the disk is gone") }

func testErrors(t *testing.T, s service, store Store) {
	anything := func(Object) error { return nil }
	for what, c := range map[string]struct {
		store Store
		kind  fault.Kind
		says  string
	}{
		"bucket": {s.open(t, "sea"), fault.KindPath, `"sea"`},
		"denied": {store, fault.KindPermission, "access is denied"},
	} {
		if what == "denied" {
			s.deny()
		}
		err := c.store.List(t.Context(), "", anything)
		if fault.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %s, %v", what, fault.KindOf(err), err)
		}
		if strings.Contains(fmt.Sprint(err), s3.Secret) {
			t.Errorf("%s: the error shows a secret", what)
		}
	}
}

func TestLoginsThatAreRefused(t *testing.T) {
	all := services(t)
	other := gcs.Start("x")
	defer other.Close()
	wrong := func(s service, change func(*Access)) error {
		change(&s.access)
		return s.open(t, "lake").List(t.Context(), "", func(Object) error { return nil })
	}
	for _, c := range []struct {
		err  error
		kind fault.Kind
		says string
	}{
		{wrong(all[0], func(a *Access) { a.AWSSecret = "x" }), fault.KindAuth, "SignatureDoesNotMatch"},
		{wrong(all[0], func(a *Access) { a.AWSKey = "x" }), fault.KindAuth, "InvalidAccessKeyId"},
		{wrong(all[0], func(a *Access) { a.AWSToken = s3.Expired }), fault.KindAuth, "expired"},
		{wrong(all[0], func(a *Access) { a.AWSRegion = "us-west-2" }), fault.KindSettings, "set aws_region: " + s3.Region},
		{wrong(all[1], func(a *Access) { // signed by somebody else
			a.GCSCredentials = strings.Replace(other.Credentials(), other.URL, a.GCSEndpoint, 1)
		}), fault.KindAuth, "Invalid JWT Signature"},
		{wrong(all[2], func(a *Access) { a.AzureKey = "eHg=" }), fault.KindAuth, "refused"},
	} {
		if fault.KindOf(c.err) != c.kind || !strings.Contains(fault.Render(c.err), c.says) {
			t.Errorf("%s: %v", fault.KindOf(c.err), c.err)
		}
	}
}

func TestParse(t *testing.T) {
	at, err := Parse("s3://lake/raw/a.csv")
	if err != nil || at != (Location{"s3", "lake", "raw/a.csv"}) || at.URL("b") != "s3://lake/b" {
		t.Error(at, err)
	}
	for _, bad := range []string{"s3://", "lake/raw", "ftp://x/y"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

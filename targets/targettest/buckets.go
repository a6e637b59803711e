package targettest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"elt/internal/fake/azblob"
	"elt/internal/fake/gcs"
	"elt/internal/fake/objects"
	"elt/internal/fake/s3"
)

// Bucket is a vendor's object store on loopback.
type Bucket struct {
	*objects.Bucket
	URL     string          // ends with a slash
	Access  map[string]any  // settings that lead there
	Uploads func() []string // begun and not ended; nil: they cannot be seen
	count   atomic.Int64
}

// NewBucket starts the vendor of a scheme: "s3", "gs" or "az". It belongs to t.
func NewBucket(t testing.TB, scheme string) *Bucket {
	t.Helper()
	b := &Bucket{URL: scheme + "://lake/"}
	switch scheme {
	case "s3":
		for name, value := range map[string]string{"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere", "AWS_SHARED_CREDENTIALS_FILE": "/nowhere"} {
			t.Setenv(name, value)
		}
		v := s3.Start("lake")
		t.Cleanup(v.Close)
		b.Bucket, b.Uploads = v.Bucket, v.Uploads
		b.Access = map[string]any{"aws_access_key_id": s3.Key, "aws_secret_access_key": s3.Secret, "aws_region": s3.Region, "aws_endpoint_url": v.URL}
	case "gs":
		v := gcs.Start("lake")
		t.Cleanup(v.Close)
		b.Bucket, b.Uploads = v.Bucket, v.Uploads
		b.Access = map[string]any{"gcs_endpoint": v.URL, "gcs_credentials": v.Credentials()}
	case "az":
		v := azblob.Start("lake")
		t.Cleanup(v.Close)
		b.Bucket = v.Bucket
		b.Access = map[string]any{"azure_storage_account": azblob.Account, "azure_storage_key": azblob.Key, "azure_storage_endpoint": v.URL}
	}
	return b
}

// Config is settings for an empty place of the bucket, under the setting where.
func (b *Bucket) Config(where string) func(testing.TB) map[string]any {
	return func(testing.TB) map[string]any {
		config := maps.Clone(b.Access)
		config[where] = fmt.Sprintf("%srun-%d", b.URL, b.count.Add(1))
		return config
	}
}

// Copy is a directory with what is visible below a URL of the bucket.
func (b *Bucket) Copy(t testing.TB, url string) string {
	t.Helper()
	dir, prefix := t.TempDir(), strings.TrimPrefix(url, b.URL)+"/"
	for _, key := range b.Keys() {
		name, below := strings.CutPrefix(key, prefix)
		if !below || strings.HasPrefix(filepath.Base(name), ".") {
			continue
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b.Get(key).Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// InBucket is s for a vendor's bucket, which its setting where leads to.
func (s Subject) InBucket(t testing.TB, scheme, where string) (Subject, *Bucket) {
	b := NewBucket(t, scheme)
	local := s.Rows
	s.Config = b.Config(where)
	s.Rows = func(t testing.TB, config map[string]any, stream string) []Row {
		config = maps.Clone(config)
		config[where] = b.Copy(t, config[where].(string))
		return local(t, config, stream)
	}
	return s, b
}

// Numbered are the files of a stream that was written in several: "a.csv",
// "a.part2.csv" …
func Numbered(t testing.TB, stem, suffix string) (paths []string) {
	t.Helper()
	for n := 1; ; n++ {
		path := stem + suffix
		if n > 1 {
			path = fmt.Sprintf("%s.part%d%s", stem, n, suffix)
		}
		if _, err := os.Stat(path); err != nil {
			return paths
		}
		paths = append(paths, path)
	}
}

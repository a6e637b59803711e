package filesink

import (
	"compress/gzip"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func unpacked(t *testing.T, c Compression, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader
	if c == Gzip {
		r, err = gzip.NewReader(f)
	} else {
		var d *zstd.Decoder
		d, err = zstd.NewReader(f)
		defer d.Close()
		r = d
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

package filesink

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Every byte of a file that is large enough to be let go is there, also behind
// what was sent to the disk while the rest was written.
func TestLargeFileIsWhole(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := &behind{file: f}
	block := make([]byte, 1<<20+1)
	const blocks = keptCached>>20 + 3*behindStep>>20
	for i := range blocks {
		for at := range block {
			block[at] = byte(i + at)
		}
		if n, err := b.Write(block); n != len(block) || err != nil {
			t.Fatal(n, err)
		}
	}
	if b.started == 0 {
		t.Fatal("nothing was let go")
	}
	got := make([]byte, len(block))
	for i := range blocks {
		for at := range block {
			block[at] = byte(i + at)
		}
		if _, err := f.ReadAt(got, int64(i*len(block))); err != nil || !bytes.Equal(got, block) {
			t.Fatalf("block %d: %v", i, err)
		}
	}
}

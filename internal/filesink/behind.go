package filesink

import "os"

const (
	// keptCached is how much of a part stays in the page cache: what a commit
	// of the usual size has to read again, and what a reader wants next.
	keptCached = 256 << 20
	behindStep = 8 << 20
)

// behind writes to a file and, once that has become a large one, sends what is
// written to the disk at once and gives its memory back. A file of gigabytes
// then goes through a few pages again and again, instead of through memory
// that the machine first has to find, and the fsync of the commit has little
// left to wait for.
type behind struct {
	file    *os.File
	written int64
	started int64 // up to where pages are on their way to the disk
}

func (b *behind) Write(p []byte) (int, error) {
	n, err := b.file.Write(p)
	if b.written += int64(n); b.written >= keptCached && b.written-b.started >= behindStep {
		b.letGo()
	}
	return n, err
}

package snowflake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// uploader puts finished files on the lane's stage while further rows are
// encoded. Files that wait go up by one PUT, several at once.
type uploader struct {
	put   func(files []file) error
	queue chan file
	done  chan struct{}

	mu      sync.Mutex
	cond    *sync.Cond
	pending int
	err     error
}

// waiting is how many finished files of a lane may wait for their upload; a
// writer that has one more waits, which bounds the disk that is needed.
const waiting = 2

func newUploader(put func([]file) error) *uploader {
	u := &uploader{put: put, queue: make(chan file, waiting), done: make(chan struct{})}
	u.cond = sync.NewCond(&u.mu)
	go u.run()
	return u
}

// add hands over a file; it waits where too many do already.
func (u *uploader) add(f file) error {
	u.mu.Lock()
	u.pending++
	err := u.err
	u.mu.Unlock()
	u.queue <- f
	return err
}

func (u *uploader) run() {
	defer close(u.done)
	for f := range u.queue {
		files := []file{f}
		for more := true; more && len(files) < 1+waiting; {
			select {
			case next, open := <-u.queue:
				if more = open; open {
					files = append(files, next)
				}
			default:
				more = false
			}
		}
		u.mu.Lock()
		failed := u.err
		u.mu.Unlock()
		if failed == nil {
			failed = u.put(files)
		}
		u.mu.Lock()
		if u.err == nil {
			u.err = failed
		}
		u.pending -= len(files)
		u.cond.Broadcast()
		u.mu.Unlock()
	}
}

// wait returns once every file that was added is on the stage.
func (u *uploader) wait() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for u.pending > 0 {
		u.cond.Wait()
	}
	return u.err
}

// close ends the goroutine; files that wait still go up unless one failed.
func (u *uploader) close(err error) {
	u.mu.Lock()
	if u.err == nil {
		u.err = err
	}
	u.mu.Unlock()
	close(u.queue)
	<-u.done
}

var errClosed = errors.New("the lane is closed")

// put uploads files by one statement and removes them from the disk.
func (l *lane) put(ctx context.Context, files []file) error {
	if err := l.stage(ctx); err != nil {
		return err
	}
	pattern, dir := files[0].path, ""
	if len(files) > 1 {
		var err error
		if dir, err = os.MkdirTemp(l.sink.folder.path, "put-"); err != nil {
			return err
		}
		for i, f := range files {
			files[i].path = filepath.Join(dir, f.name())
			if err := os.Rename(f.path, files[i].path); err != nil {
				return err
			}
		}
		pattern = filepath.Join(dir, "*")
	}
	rows, err := l.query(ctx, l.putSQL(pattern))
	if err != nil {
		return fmt.Errorf("upload %s: %w", files[0].name(), err)
	}
	arrived := 0
	for _, r := range rows {
		if status := strings.ToUpper(r["STATUS"]); status == "UPLOADED" || status == "SKIPPED" {
			arrived++
		}
	}
	if arrived != len(files) {
		return fmt.Errorf("upload: of %d files only %d arrived on the stage", len(files), arrived)
	}
	for _, f := range files {
		if err := os.Remove(f.path); err != nil {
			return err
		}
	}
	if dir != "" {
		return os.Remove(dir)
	}
	return nil
}

func (l *lane) putSQL(pattern string) string {
	compression := "ZSTD"
	if l.sink.set.Compression == "gzip" {
		compression = "GZIP"
	}
	local := strings.ReplaceAll(filepath.ToSlash(pattern), "'", `\'`)
	if !strings.HasPrefix(local, "/") {
		local = "/" + local
	}
	return "PUT 'file://" + local + "' " + l.at + " SOURCE_COMPRESSION = " + compression + " AUTO_COMPRESS = FALSE PARALLEL = 4 OVERWRITE = TRUE"
}

package filesink

import "golang.org/x/sys/unix"

// letGo starts writing what is new, and gives back the pages of the steps
// before the last. That is advice: where a file system does not take it,
// nothing is lost.
func (b *behind) letGo() {
	fd := int(b.file.Fd())
	unix.SyncFileRange(fd, b.started, b.written-b.started, unix.SYNC_FILE_RANGE_WRITE)
	if old := b.started - behindStep; old > 0 {
		unix.Fadvise(fd, 0, old, unix.FADV_DONTNEED)
	}
	b.started = b.written
}

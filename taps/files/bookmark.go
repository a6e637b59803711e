package files

import (
	"context"
	"encoding/json"

	"elt/internal/singer"
)

// Bookmark is what is known of an entity's files, by path: it stands under
// bookmarks.<entity> of the state.
type Bookmark struct {
	Files map[string]Mark `json:"files"`
}

// Mark is how far a file was read. Size, Mtime and CRC (Castagnoli) are of
// the bytes on disk; Rows counts records without the header.
type Mark struct {
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // ns
	CRC   uint32 `json:"crc"`
	Rows  int64  `json:"rows"`
	Done  bool   `json:"done"`
	// Version is the ETag or generation of an object in a bucket.
	Version string `json:"version,omitempty"`
	// Whole: the text read, decompressed, ended with a newline, so that what is
	// appended later (to a compressed file a member of its own) is a new record.
	Whole bool `json:"whole,omitempty"`
}

// ReadBookmark is the bookmark of a stream, an empty one where there is none.
func ReadBookmark(b singer.Bookmarks, stream string) Bookmark {
	m := Bookmark{Files: map[string]Mark{}}
	if raw := b.Stream(stream); raw != nil {
		// A bookmark of another shape is another tap's: start over.
		if json.Unmarshal(raw, &m) != nil || m.Files == nil {
			m.Files = map[string]Mark{}
		}
	}
	return m
}

// Value is the bookmark as JSON.
func (b Bookmark) Value() (json.RawMessage, error) { return json.Marshal(b) }

// NewMark is the mark of a file of which so many rows were read.
func NewMark(f File, rows int64) Mark {
	return Mark{Size: f.Size, Mtime: f.Modified.UnixNano(), Version: f.Version, Rows: rows}
}

// Start says how many records of a file were delivered before, and whether
// there is nothing to do: the file is as it was. A file that only grew goes on
// behind its old end; one that changed otherwise is read again.
func (b Bookmark) Start(ctx context.Context, f File) (rows int64, unchanged bool, err error) {
	m, known := b.Files[f.Path]
	if !known {
		return 0, false, nil
	}
	same := f.Size == m.Size && f.Modified.UnixNano() == m.Mtime && f.Version == m.Version
	if !m.Done {
		if same {
			return m.Rows, false, nil
		}
		return 0, false, nil
	}
	if same {
		return m.Rows, true, nil
	}
	// An object that was read at random was not summed: that were a second reading.
	if f.Size < m.Size || !m.Whole && (f.Size > m.Size || f.Version != "") {
		return 0, false, nil
	}
	sum, err := Sum(ctx, f, m.Size)
	if err != nil {
		return 0, false, err
	}
	if sum != m.CRC {
		return 0, false, nil
	}
	return m.Rows, f.Size == m.Size, nil
}

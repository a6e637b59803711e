package files

import (
	"encoding/json"
	"os"

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

// Start says how many records of a file were delivered before, and whether
// there is nothing to do: the file is as it was. A file that only grew goes on
// behind its old end; one that changed otherwise is read again.
func (b Bookmark) Start(path string, info os.FileInfo) (rows int64, unchanged bool, err error) {
	m, known := b.Files[path]
	if !known {
		return 0, false, nil
	}
	same := info.Size() == m.Size && info.ModTime().UnixNano() == m.Mtime
	if !m.Done {
		if same {
			return m.Rows, false, nil
		}
		return 0, false, nil
	}
	if same {
		return m.Rows, true, nil
	}
	if info.Size() < m.Size || info.Size() > m.Size && !m.Whole {
		return 0, false, nil
	}
	sum, err := Sum(path, m.Size)
	if err != nil {
		return 0, false, err
	}
	if sum != m.CRC {
		return 0, false, nil
	}
	return m.Rows, info.Size() == m.Size, nil
}

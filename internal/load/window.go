package load

import (
	"encoding/json"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/targets"
)

// A windowed run (a chunk of a backfill) may be killed after the destination
// has committed the end of a stream, and before the store knows that the chunk
// is done. It is then run again. Where rows merge by key that does no harm, and
// the run starts from the window's beginning (ClaimRequest.Whole). Rows that
// are appended must not come twice: the last commit of a stream carries the
// mark completeKey beside its position, in the same transaction, and a stream
// that has the mark takes no more rows. Only destinations see marks: taps,
// STATE lines and the store do not.
const completeKey = "elt_complete"

// marked is a position, or a whole state value, with the mark. One that is no
// object is dropped: nothing is loaded from it any more.
func marked(value json.RawMessage) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(value, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	fields[completeKey] = json.RawMessage("true")
	return json.Marshal(fields)
}

// unmarked takes the mark off a JSON object.
func unmarked(value json.RawMessage) (json.RawMessage, bool) {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(value, &fields) != nil || fields[completeKey] == nil {
		return value, false
	}
	delete(fields, completeKey)
	raw, err := json.Marshal(fields)
	if err != nil {
		return value, false
	}
	return raw, true
}

// completed is what earlier attempts at a window have completed.
type completed struct {
	all     bool
	streams map[string]bool
}

func (c completed) has(stream string) bool { return c.all || c.streams[stream] }

// takeMarks separates the marks from bookmarks.
func takeMarks(b singer.Bookmarks) (singer.Bookmarks, completed, error) {
	c := completed{streams: map[string]bool{}}
	raw, all := unmarked(b.Raw())
	c.all = all
	b = singer.NewBookmarks(raw)
	var state struct {
		Bookmarks map[string]json.RawMessage `json:"bookmarks"`
	}
	if b.IsZero() || json.Unmarshal(b.Raw(), &state) != nil {
		return b, c, nil
	}
	plain := map[string]json.RawMessage{}
	for stream, position := range state.Bookmarks {
		if value, found := unmarked(position); found {
			c.streams[stream], plain[stream] = true, value
		}
	}
	b, err := b.With(plain)
	return b, c, err
}

// windowed settles the claim of a windowed run.
func (s *Session) windowed(req ClaimRequest, found targets.Fence) (targets.Fence, Decision, error) {
	if req.Whole {
		req.Bookmarks, req.FullRefresh = nil, true
	}
	fence, d, err := Decide(req, found)
	if err != nil {
		return fence, d, err
	}
	d.Bookmarks, s.completed, err = takeMarks(d.Bookmarks)
	d.Note = "" // a chunk that was cut and goes on: nothing to wonder at
	s.marks = !req.Whole
	return fence, d, err
}

// mayAppend refuses rows that no key merges, unless the user has agreed.
func (o Options) mayAppend(stream string) error {
	if !o.Windowed || o.AllowAppend {
		return nil
	}
	return fault.New(fault.BadConfig, "stream %s: its rows are appended, so those of the window that are there already would be there twice", stream).
		WithHint("give the stream a key, deselect it, or say --allow-duplicates")
}

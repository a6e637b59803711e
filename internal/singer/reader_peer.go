package singer

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
)

// state hands over a STATE: as the position of one stream if the tap says
// which one it moved and the handler can tell.
func (r *Reader) state(ctx context.Context, line []byte, m *envelope) error {
	peer, ok := r.h.(PeerHandler)
	if !ok && m.moved != nil {
		return r.fail("", line, &flaw{text: "a STATE of one stream alone (" + eltMoved + "), meant for a target of elt's own that was told of it"})
	}
	if m.moved == nil {
		if err := r.handOverAll(ctx); err != nil {
			return err
		}
		return r.h.State(ctx, slices.Clone(json.RawMessage(m.value)))
	}
	var at moved
	s := (*stream)(nil)
	if json.Unmarshal(m.moved, &at) == nil {
		s = r.streams[at.Stream]
	}
	if s == nil {
		return r.fail(at.Stream, line, &flaw{text: "a STATE whose " + eltMoved + " names no open stream"})
	}
	if err := s.handOver(ctx); err != nil {
		return err
	}
	value := NewBookmarks(m.value).Stream(at.Stream)
	return peer.Position(ctx, Position{Stream: at.Stream, Value: value, Exact: at.Exact, Rows: at.Rows})
}

// streamEnd forgets a stream; announced again, it begins anew.
func (r *Reader) streamEnd(ctx context.Context, s *stream, complete bool, left []byte) error {
	peer, ok := r.h.(PeerHandler)
	if !ok {
		return nil
	}
	if err := s.handOver(ctx); err != nil {
		return err
	}
	delete(r.streams, s.name)
	r.order = slices.DeleteFunc(r.order, func(o *stream) bool { return o == s })
	if r.last == s {
		r.last = nil
	}
	if c, ok := r.h.(RejectCounter); ok && len(left) > 0 {
		rows, err := strconv.ParseInt(string(left), 10, 64)
		if err != nil {
			return &flaw{text: "a number of rejected rows is none"}
		}
		c.Rejected(s.name, rows)
	}
	return peer.StreamEnd(ctx, s.name, complete)
}

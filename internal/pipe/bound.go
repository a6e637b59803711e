package pipe

import (
	"bytes"
	"context"

	"elt/internal/limit"
)

// bound keeps a run within its limits. Once one is reached, messages go on to
// the next STATE, and the record after it is the first that goes no further:
// the next run begins there.
type bound struct {
	*limit.Gauge
	streams int // of a preview: how many there are, 0 when unknown
	full    int // of those: how many have had all their rows
	given   map[*streamTally]int64
	reached *limit.Reached
	hard    bool           // and no STATE followed in time
	settled bool           // a STATE followed
	cut     *limit.Reached // nothing goes any further
}

// limited is lines for a limited run.
func (s *scanner) limited(ctx context.Context, block []byte) []byte {
	b, kept, rows := s.bound, 0, int64(0)
	for at := 0; at < len(block) && b.cut == nil; {
		end := at + bytes.IndexByte(block[at:], '\n') + 1
		if end == at {
			end = len(block)
		}
		line := block[at:end]
		at = end
		s.env.reset()
		s.env.feed(line)
		record := s.env.is("RECORD")
		if !b.passes(s, record) {
			continue
		}
		s.bytes += int64(len(line))
		if !s.one(line) {
			continue
		}
		kept += copy(block[kept:], line)
		if record {
			rows++
			b.Add(1, int64(len(line)))
		}
		b.check(!record && s.env.is("STATE"))
	}
	b.Pace(ctx, rows, int64(kept))
	return block[:kept]
}

// passes says whether the message whose envelope was read goes on.
func (b *bound) passes(s *scanner, record bool) bool {
	if b.PerStream > 0 {
		return b.preview(s, record)
	}
	if record && (b.settled || b.hard) {
		b.cut = b.reached
	}
	return b.cut == nil
}

// preview lets the first records of each stream pass, no position (it would
// stand for records that did not), and nothing that makes other rows dead.
func (b *bound) preview(s *scanner, record bool) bool {
	if !record {
		return !s.env.is("STATE") && !s.env.is("ACTIVATE_VERSION")
	}
	stream := s.of(s.env.stream.text)
	if b.given == nil {
		b.given = map[*streamTally]int64{}
	}
	if b.given[stream] == b.PerStream {
		return false
	}
	if b.given[stream]++; b.given[stream] == b.PerStream {
		b.full++
	}
	return true
}

// check looks at the limits after a message.
func (b *bound) check(state bool) {
	if b.PerStream > 0 && b.streams > 0 && b.full == b.streams {
		b.cut = &limit.Reached{Setting: "limit"}
		return
	}
	b.reached, b.hard = b.Reached()
	b.settled = b.settled || b.reached != nil && state
}

// whole counts a record that was too long to be looked at at once.
func (b *bound) whole(size int) {
	if b != nil {
		b.Add(1, int64(size))
		b.check(false)
	}
}

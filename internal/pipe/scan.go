package pipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"elt/internal/singer"
)

// scanner looks at the lines on their way to the target.
type scanner struct {
	tally
	events *Events
	trace  *singer.Trace
	start  singer.Bookmarks // what the tap was given
	source string           // whose lines these are, for messages
	last   json.RawMessage
	marks  *singer.Marks // instead of last, of a tap that says what it moves
	// windowed: an ACTIVATE_VERSION, which would purge what is outside of the
	// window, goes no further (invariant 9).
	windowed bool
	bound    *bound // nil: the run is not limited

	line   int64
	warned bool
	env    envelope
	// prefix is the beginning of the last RECORD line through its type and
	// stream, where those come first: lines that begin with the same bytes
	// are records of the same stream.
	prefix []byte
	stream *streamTally

	inPart  bool // a long line is under way
	partLen int
}

// lines looks at whole lines and returns those that go on, in block's memory.
func (s *scanner) lines(block []byte) []byte {
	s.bytes += int64(len(block))
	kept := 0
	for at := 0; at < len(block); {
		end := at + bytes.IndexByte(block[at:], '\n') + 1
		if end == at {
			end = len(block)
		}
		if line := block[at:end]; s.one(line) {
			if kept != at {
				copy(block[kept:], line)
			}
			kept += len(line)
		}
		at = end
	}
	return block[:kept]
}

// one looks at a line and says whether it goes on.
func (s *scanner) one(line []byte) bool {
	s.line++
	s.tally.lines++
	if s.stream != nil && bytes.HasPrefix(line, s.prefix) {
		s.record(s.stream, len(line))
		return true
	}
	s.env.reset()
	needed := s.env.feed(line)
	s.message(line, needed)
	return !s.windowed || !s.env.is("ACTIVATE_VERSION")
}

// message acts on a line whose envelope was read.
func (s *scanner) message(line []byte, needed int) {
	switch typ := string(s.env.typ.text); {
	case strings.EqualFold(typ, "RECORD"):
		stream := s.of(s.env.stream.text)
		s.record(stream, len(line))
		s.remember(line[:needed], stream)
	case strings.EqualFold(typ, "STATE"):
		s.state(line)
	case strings.EqualFold(typ, "SCHEMA"):
		s.touch(s.of(s.env.stream.text)) // a stream without rows is a stream
		s.events.Schema(unquote(s.env.stream.text), bytes.Clone(bytes.TrimSpace(line)))
	case typ == "":
		s.strange()
	}
}

// remember keeps a prefix that means this stream in every line: two members,
// type and stream, and nothing before or between them.
func (s *scanner) remember(head []byte, stream *streamTally) {
	s.stream = nil
	if bytes.Count(head, []byte{'"'}) == 8 && bytes.IndexByte(head, '\\') < 0 && head[len(head)-1] == '"' {
		s.prefix, s.stream = append(s.prefix[:0], head...), stream
	}
}

func (s *scanner) state(line []byte) {
	var m struct {
		Value json.RawMessage `json:"value"`
		Moved *struct {
			Stream string `json:"stream"`
		} `json:"x-elt-moved"`
	}
	if json.Unmarshal(line, &m) != nil || m.Value == nil {
		s.strange()
		return
	}
	s.events.State(m.Value)
	if m.Moved == nil {
		s.trace.Forwarded(m.Value)
		s.last, s.marks = m.Value, nil
		return
	}
	s.trace.Moved(m.Moved.Stream, m.Value)
	if s.marks == nil {
		s.marks = singer.NewMarks(s.start)
	}
	if s.marks.Set(m.Moved.Stream, singer.NewBookmarks(m.Value).Stream(m.Moved.Stream)) != nil {
		s.strange()
	}
}

// forwarded is the last state value that went to the target, nil for none.
func (s *scanner) forwarded() json.RawMessage {
	if s.marks == nil {
		return s.last
	}
	return s.marks.Raw()
}

func (s *scanner) strange() {
	if !s.warned {
		s.warned = true
		s.events.Warn(fmt.Sprintf("line %d of the output of %s is no Singer message; it and others like it are passed on as they are", s.line, s.source))
	}
}

// maxState bounds the length of a STATE line that is read.
const maxState = 64 << 20

// mayBeState says that a line of which this is the beginning is a STATE, or
// has not said yet what it is. An undecided line is not waited for beyond
// twice maxHeld: a type that late is a RECORD's.
func (s *scanner) mayBeState(line []byte) bool {
	s.env.reset()
	s.env.feed(line)
	if s.env.typ.found {
		return strings.EqualFold(string(s.env.typ.text), "STATE")
	}
	return !s.env.dead && len(line) < 2*maxHeld
}

// part looks at a piece of a line that is too long to be held.
func (s *scanner) part(piece []byte, last bool) {
	if !s.inPart {
		s.env.reset()
		s.inPart, s.partLen = true, 0
	}
	s.bytes += int64(len(piece))
	s.partLen += len(piece)
	if !s.env.found() {
		s.env.feed(piece)
	}
	if !last {
		return
	}
	s.inPart = false
	s.line++
	s.tally.lines++
	switch typ := string(s.env.typ.text); {
	case strings.EqualFold(typ, "RECORD"):
		s.record(s.of(s.env.stream.text), s.partLen)
		s.bound.whole(s.partLen)
	case strings.EqualFold(typ, "STATE"):
		s.events.Warn(fmt.Sprintf("the STATE on line %d of the output of %s is longer than %d MiB and was not read", s.line, s.source, maxState>>20))
	case typ == "":
		s.strange()
	}
}

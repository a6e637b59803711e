package secret

import "io"

// automaton finds all patterns in one pass (Aho and Corasick). It is
// immutable once built, so scanners share it.
type automaton struct {
	first [256]int32 // transitions of the root
	nodes []node
}

type node struct {
	bytes  []byte  // outgoing transitions, and
	next   []int32 // where they lead
	fail   int32   // longest proper suffix that is a node
	depth  int32   // length of the node's text
	length int32   // longest pattern that ends here, 0 for none
}

func newAutomaton(patterns []string) *automaton {
	a := &automaton{nodes: make([]node, 1)}
	for _, p := range patterns {
		at := int32(0)
		for i := range len(p) {
			to, ok := a.child(at, p[i])
			if !ok {
				to = int32(len(a.nodes))
				a.nodes = append(a.nodes, node{depth: int32(i + 1)})
				n := &a.nodes[at]
				n.bytes, n.next = append(n.bytes, p[i]), append(n.next, to)
			}
			at = to
		}
		a.nodes[at].length = int32(len(p))
	}
	var queue []int32
	for i, b := range a.nodes[0].bytes {
		a.first[b] = a.nodes[0].next[i]
		queue = append(queue, a.nodes[0].next[i])
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for i, b := range a.nodes[at].bytes {
			to := a.nodes[at].next[i]
			fail := a.step(a.nodes[at].fail, b)
			a.nodes[to].fail = fail
			a.nodes[to].length = max(a.nodes[to].length, a.nodes[fail].length)
			queue = append(queue, to)
		}
	}
	return a
}

func (a *automaton) child(at int32, b byte) (int32, bool) {
	n := &a.nodes[at]
	for i, have := range n.bytes {
		if have == b {
			return n.next[i], true
		}
	}
	return 0, false
}

func (a *automaton) step(at int32, b byte) int32 {
	for at != 0 {
		if to, ok := a.child(at, b); ok {
			return to
		}
		at = a.nodes[at].fail
	}
	return a.first[b]
}

// scanner is a place in a byte stream: what is undecided, and which spans of
// it are masked.
type scanner struct {
	*automaton
	at      int32
	pending []byte
	masked  []span // in pending, ascending, not overlapping
}

type span struct{ from, to int }

func (s *scanner) write(p []byte, out io.Writer) {
	for _, b := range p {
		s.pending = append(s.pending, b)
		s.at = s.step(s.at, b)
		if n := int(s.nodes[s.at].length); n > 0 {
			s.mask(span{len(s.pending) - n, len(s.pending)})
		}
	}
	s.emit(len(s.pending)-int(s.nodes[s.at].depth), out)
}

func (s *scanner) flush(out io.Writer) {
	s.emit(len(s.pending), out)
	s.at = 0
}

// mask adds a span that ends at the end of pending, joined with those it overlaps.
func (s *scanner) mask(m span) {
	for n := len(s.masked); n > 0 && s.masked[n-1].to > m.from; n-- {
		m.from = min(m.from, s.masked[n-1].from)
		s.masked = s.masked[:n-1]
	}
	s.masked = append(s.masked, m)
}

// emit writes pending up to limit, or up to the masked span that limit cuts.
func (s *scanner) emit(limit int, out io.Writer) {
	done, rest := 0, 0
	for rest < len(s.masked) && s.masked[rest].to <= limit {
		m := s.masked[rest]
		out.Write(s.pending[done:m.from])
		io.WriteString(out, Mask)
		done = m.to
		rest++
	}
	if rest < len(s.masked) {
		limit = min(limit, s.masked[rest].from)
	}
	if limit > done {
		out.Write(s.pending[done:limit])
		done = limit
	}
	s.pending = append(s.pending[:0], s.pending[done:]...)
	s.masked = append(s.masked[:0], s.masked[rest:]...)
	for i := range s.masked {
		s.masked[i].from -= done
		s.masked[i].to -= done
	}
}

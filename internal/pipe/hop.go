package pipe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/singer"
)

const (
	// blockSize is what is read and written at once, and all that a hop holds.
	blockSize = 1 << 20
	// maxHeld is how much of an unfinished line is held back, so that the
	// half line of a tap that died never reaches the target; the rest of a
	// longer one is forwarded as it comes.
	maxHeld = 8 << 20
)

// endLine tells a built-in target that the run is complete, stopLine that a
// limit has ended it.
const (
	endLine  = singer.EndLine + "\n"
	stopLine = singer.StopLine + "\n"
)

// hop carries bytes from one stage to the next.
type hop struct {
	from, to *stage
	scan     *scanner // nil on all hops but the last
	meter    *Meter
	index    int
	complete func() bool           // every stage before from ended well, every byte arrived
	pace     context.Context       // its end ends pauses for the sake of a rate
	curtail  func(*limit.Reached)  // ends the stages before to
	curbed   func() *limit.Reached // whether they were ended so

	buf      []byte
	streamed bool // the line under way is partly forwarded already
	lost     error
	lostAt   time.Time
	ended    <-chan struct{}
	dropped  int            // bytes of a half line at the end of a failed stage
	readErr  error          // reading failed
	limited  *limit.Reached // the limit at which the run ended
}

// run returns when from's output has ended and to's input is closed.
func (h *hop) run() {
	h.buf = make([]byte, blockSize)
	held := 0
	for {
		h.meter.wait(h.index, waitRead)
		n, err := h.from.stdout.Read(h.buf[held:])
		h.meter.wait(h.index, waitNone)
		held = h.forward(held, n)
		if err != nil {
			if err != io.EOF {
				h.readErr, h.lostAt = err, time.Now()
			}
			break
		}
	}
	h.finish(held)
	if h.limited == nil {
		h.to.closeStdin()
	}
}

// forward passes on what is whole in the buffer, of which held bytes are the
// beginning of a line and n are new, and returns how much is held now.
func (h *hop) forward(held, n int) int {
	end := held + n
	cut := bytes.LastIndexByte(h.buf[held:end], '\n')
	if cut >= 0 {
		whole := held + cut + 1
		h.pass(h.buf[:whole])
		h.streamed = false
		held = copy(h.buf, h.buf[whole:end])
		if len(h.buf) > blockSize && held < blockSize {
			h.buf = append(make([]byte, 0, blockSize), h.buf[:held]...)[:blockSize]
		}
		return held
	}
	switch {
	case h.streamed:
		h.passPart(h.buf[:end])
		return 0
	case end < len(h.buf):
	case len(h.buf) < maxHeld || h.keepWhole(h.buf[:end]):
		h.buf = append(h.buf, make([]byte, len(h.buf))...)
	default:
		h.passPart(h.buf[:end])
		h.streamed = true
		return 0
	}
	return end
}

// keepWhole says that a long line must be held to its end: it is a STATE, or
// may still turn out to be one.
func (h *hop) keepWhole(line []byte) bool {
	return h.scan != nil && len(line) < maxState && h.scan.mayBeState(line)
}

// pass forwards whole lines (the first may be the end of one that was
// forwarded in part).
func (h *hop) pass(block []byte) {
	if h.scan != nil {
		if h.streamed {
			end := bytes.IndexByte(block, '\n') + 1
			h.scan.part(block[:end], true)
			block = block[:end+len(h.look(block[end:]))]
		} else {
			block = h.look(block)
		}
	}
	h.write(block)
	if h.scan != nil && h.scan.bound != nil && h.scan.bound.cut != nil {
		h.stop(h.scan.bound.cut)
	}
}

// look scans whole lines and returns those that go on.
func (h *hop) look(block []byte) []byte {
	if h.scan.bound != nil {
		return h.scan.limited(h.pace, block)
	}
	return h.scan.lines(block)
}

// stop ends the run at a limit: the target's input ends here, and what the
// stages before it still say is read and dropped.
func (h *hop) stop(why *limit.Reached) {
	if h.limited != nil {
		return
	}
	if h.to.builtIn {
		h.write([]byte(stopLine))
	}
	h.limited = why
	h.curtail(why)
}

// passPart forwards a piece of a line.
func (h *hop) passPart(piece []byte) {
	if h.scan != nil {
		h.scan.part(piece, false)
	}
	h.write(piece)
}

// write blocks while the next stage is slow. Once that stage reads no more,
// bytes are thrown away: the stage before must not hang on a full pipe.
func (h *hop) write(block []byte) {
	if h.scan != nil {
		defer h.meter.add(&h.scan.tally)
	}
	if h.lost != nil || h.limited != nil || len(block) == 0 {
		return
	}
	h.meter.wait(h.index, waitWrite)
	_, err := h.to.stdin.Write(block)
	h.meter.wait(h.index, waitNone)
	if err != nil {
		h.lost, h.lostAt = err, time.Now()
		h.to.deaf()
	}
}

// finish decides about a last line without end, and about the end of the run.
func (h *hop) finish(held int) {
	well := h.from.wait().OK()
	if held > 0 || h.streamed {
		if well && h.readErr == nil {
			h.buf[held] = '\n'
			h.pass(h.buf[:held+1])
		} else {
			h.dropped = held
		}
	}
	switch curbed := h.curbed(); {
	case h.limited != nil:
	case curbed != nil && h.scan != nil: // the tap said nothing until its time was up
		h.stop(curbed)
	case h.to.builtIn && well && h.complete():
		h.write([]byte(endLine))
	}
}

// blamed is the stage that err is about.
func (h *hop) blamed() *stage {
	if h.readErr != nil {
		return h.from
	}
	return h.to
}

// err is what this hop found wrong, apart from how the stages ended.
func (h *hop) err() error {
	switch {
	case h.readErr != nil:
		return fault.Wrap(fault.Failed, h.readErr, "reading the output of %s", h.from.name)
	case h.lost != nil:
		return fmt.Errorf("%s stopped reading its input before the end", h.to.name)
	}
	return nil
}

package singer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

const (
	blockSize = 256 << 10
	blocks    = 3
	keepCarry = 1 << 20 // a buffer that a giant line made bigger is given back
)

// frames cuts an input into lines of any length. A goroutine of its own reads
// ahead into a few recycled blocks, so that reading overlaps decoding and
// silence can be noticed.
type frames struct {
	full  chan block
	free  chan []byte
	stop  chan struct{}
	done  chan struct{}
	in    io.Reader
	cur   []byte // the block that rest is a part of
	rest  []byte
	carry []byte // the beginning of a line that began in an earlier block
	used  bool   // carry was handed out as a line
	err   error  // why there is no further block
}

type block struct {
	data []byte
	err  error
}

// errIdle says that next waited until the tick.
var errIdle = errors.New("no input yet")

func newFrames(in io.Reader) *frames {
	f := &frames{
		full: make(chan block, blocks), free: make(chan []byte, blocks),
		stop: make(chan struct{}), done: make(chan struct{}), in: in,
	}
	go f.read()
	return f
}

func (f *frames) read() {
	defer close(f.done)
	made := 0
	for {
		var buf []byte
		select {
		case buf = <-f.free:
		case <-f.stop:
			return
		default:
			if made < blocks {
				made++
				buf = make([]byte, blockSize)
				break
			}
			select {
			case buf = <-f.free:
			case <-f.stop:
				return
			}
		}
		n, err := f.in.Read(buf)
		select {
		case f.full <- block{buf[:n], err}:
		case <-f.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// next is the next line without its newline, valid until the next call. It
// returns errIdle when tick fired, io.EOF after the last line, and ended
// false for a last line that has no newline.
func (f *frames) next(ctx context.Context, tick <-chan time.Time) (line []byte, ended bool, err error) {
	if f.used {
		f.used = false
		if f.carry = f.carry[:0]; cap(f.carry) > keepCarry {
			f.carry = nil
		}
	}
	for {
		if n := bytes.IndexByte(f.rest, '\n'); n >= 0 {
			line, f.rest = f.rest[:n], f.rest[n+1:]
			if len(f.carry) > 0 {
				f.carry = append(f.carry, line...)
				line, f.used = f.carry, true
			}
			return line, true, nil
		}
		f.carry = append(f.carry, f.rest...)
		f.rest = nil
		if f.cur != nil {
			f.free <- f.cur[:blockSize]
			f.cur = nil
		}
		if f.err != nil {
			if f.err == io.EOF && len(f.carry) > 0 {
				f.used = true
				return f.carry, false, nil
			}
			return nil, false, f.err
		}
		select { // a tick is due even while input is plenty
		case <-tick:
			return nil, false, errIdle
		default:
		}
		select {
		case b := <-f.full:
			f.cur, f.rest, f.err = b.data, b.data, b.err
		case <-tick:
			return nil, false, errIdle
		case <-ctx.Done():
			return nil, false, context.Cause(ctx)
		}
	}
}

// close ends the reading goroutine and waits for it. Where the input cannot be
// interrupted (no read deadline) a Read that is under way ends only with the
// input; close does not wait for that one.
func (f *frames) close() {
	close(f.stop)
	select {
	case <-f.done:
		return
	default:
	}
	if in, ok := f.in.(interface{ SetReadDeadline(time.Time) error }); ok && in.SetReadDeadline(time.Now()) == nil {
		<-f.done
	}
}

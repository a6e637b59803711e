package pgdial

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/jackc/pgx/v5"
)

// readBuffer is what one read from the socket may bring: PostgreSQL sends
// 8 KiB at a time, but several wait when the reader was busy.
const readBuffer = 128 << 10

// wire is what pgx reads a connection through. It hands messages on one by
// one, never more than one at a time, so that between two of them all that
// the server has sent lies here. That lets CopyOut take rows from where the
// socket put them: in pgx each would be copied once more, and cost a message.
type wire struct {
	from io.Reader
	buf  []byte // what was read lies in buf[at:end]
	at   int
	end  int
	left int                // bytes of the open message that were not handed on
	rows func([]byte) error // takes what CopyData messages hold; nil: they are handed on
}

func newWire(from io.Reader) *wire { return &wire{from: from, buf: make([]byte, readBuffer)} }

// Read hands on bytes of one message.
func (w *wire) Read(p []byte) (int, error) {
	for w.left == 0 {
		if err := w.fill(5); err != nil {
			return 0, err
		}
		size := 1 + int(binary.BigEndian.Uint32(w.buf[w.at+1:]))
		if w.rows == nil || w.buf[w.at] != 'd' || size < 5 {
			w.left = max(size, 5) // pgx says what is wrong with an impossible length
			break
		}
		if err := w.fill(size); err != nil {
			return 0, err
		}
		row := w.buf[w.at+5 : w.at+size]
		w.at += size
		if err := w.rows(row); err != nil {
			return 0, err
		}
	}
	p = p[:min(len(p), w.left)]
	if w.at == w.end {
		n, err := w.from.Read(p)
		w.left -= n
		return n, err
	}
	n := copy(p, w.buf[w.at:w.end])
	w.at, w.left = w.at+n, w.left-n
	return n, nil
}

// fill reads until n bytes lie in the buffer.
func (w *wire) fill(n int) error {
	if w.end-w.at >= n {
		return nil
	}
	switch {
	case n > len(w.buf): // a giant row
		w.move(make([]byte, n))
	case len(w.buf) > readBuffer && n <= readBuffer && w.end-w.at <= readBuffer:
		w.move(make([]byte, readBuffer))
	case w.at == w.end || w.at+n > len(w.buf):
		w.move(w.buf)
	}
	for w.end-w.at < n {
		got, err := w.from.Read(w.buf[w.end:])
		w.end += got
		if err != nil && w.end-w.at < n {
			if errors.Is(err, io.EOF) && w.end > w.at {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

func (w *wire) move(to []byte) {
	w.end = copy(to, w.buf[w.at:w.end])
	w.buf, w.at = to, 0
}

// wireKey is where a connection's CustomData has its wire.
const wireKey = "elt wire"

// CopyOut runs a COPY … TO STDOUT and hands what each CopyData message holds
// to rows, which must not keep it. An error of rows ends the connection.
func CopyOut(ctx context.Context, c *pgx.Conn, sql string, rows func([]byte) error) error {
	defer bulk(c)()
	w := c.PgConn().CustomData()[wireKey].(*wire)
	w.rows = rows
	defer func() { w.rows = nil }()
	_, err := c.PgConn().CopyTo(ctx, io.Discard, sql)
	return err
}

package wire

import (
	"bufio"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"time"
	"unsafe"

	"github.com/go-sql-driver/mysql"
)

// Conn is a connection that is logged in.
type Conn struct {
	net net.Conn
	in  *bufio.Reader
	big []byte // a packet that the buffer does not hold
	out []byte
	seq byte
	// eofs: definitions of columns are followed by an EOF packet.
	eofs bool
}

const (
	bufferSize = 64 << 10
	maxPayload = 1<<24 - 1 // of a packet; longer ones are followed by more
)

// Over takes over a connection of the driver, which must be idle. The driver
// may use it again for short statements whenever c is idle.
func Over(conn driver.Conn) (*Conn, error) {
	// The driver keeps its network connection, encrypted or not, to itself.
	moved := errors.New("this version of go-sql-driver hides its connection elsewhere")
	v := reflect.ValueOf(conn)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, moved
	}
	field, agreed := v.Elem().FieldByName("netConn"), v.Elem().FieldByName("capabilities")
	if !field.IsValid() || field.Type() != reflect.TypeFor[net.Conn]() || !agreed.IsValid() || !agreed.CanUint() {
		return nil, moved
	}
	c := *(*net.Conn)(unsafe.Pointer(field.UnsafeAddr()))
	const deprecateEOF = 1 << 24
	return &Conn{net: c, in: bufio.NewReaderSize(c, bufferSize), eofs: agreed.Uint()&deprecateEOF == 0}, nil
}

// watch makes reads and writes fail when ctx ends. The caller calls the
// function it returns when it is done, and gets ctx's cause for its error.
func (c *Conn) watch(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) })
}

// command sends one command packet.
func (c *Conn) command(code byte, body ...[]byte) error {
	c.out = append(c.out[:0], 0, 0, 0, 0, code)
	for _, b := range body {
		c.out = append(c.out, b...)
	}
	n := len(c.out) - 4
	if n >= maxPayload {
		return errors.New("a statement of more than 16 MB")
	}
	c.out[0], c.out[1], c.out[2] = byte(n), byte(n>>8), byte(n>>16)
	c.seq = 1
	_, err := c.net.Write(c.out)
	return err
}

// packet is the payload of the next packet, valid until the next call.
func (c *Conn) packet() ([]byte, error) {
	n, err := c.header()
	if err != nil {
		return nil, err
	}
	if n <= bufferSize-4 { // it is used where it lies
		p, err := c.in.Peek(n)
		if err != nil {
			return nil, broken(err)
		}
		_, err = c.in.Discard(n)
		return p, err
	}
	c.big = c.big[:0]
	for {
		at := len(c.big)
		c.big = append(c.big, make([]byte, n)...)
		if _, err := io.ReadFull(c.in, c.big[at:]); err != nil {
			return nil, broken(err)
		}
		if n < maxPayload {
			return c.big, nil
		}
		if n, err = c.header(); err != nil {
			return nil, err
		}
	}
}

// header reads the head of a packet: the size of its payload.
func (c *Conn) header() (int, error) {
	h, err := c.in.Peek(4)
	if err != nil {
		return 0, broken(err)
	}
	n, seq := int(h[0])|int(h[1])<<8|int(h[2])<<16, h[3]
	if seq != c.seq {
		return 0, fmt.Errorf("packets of the server are out of order: %d where %d was due", seq, c.seq)
	}
	c.seq++
	_, err = c.in.Discard(4)
	return n, err
}

// broken makes an end within a packet the error that it is.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// refusal is the server's error in an ERR packet.
func refusal(p []byte) error {
	if len(p) < 3 {
		return errors.New("the server sent a malformed error")
	}
	e := &mysql.MySQLError{Number: binary.LittleEndian.Uint16(p[1:])}
	p = p[3:]
	if len(p) >= 6 && p[0] == '#' {
		copy(e.SQLState[:], p[1:6])
		p = p[6:]
	}
	e.Message = string(p)
	return e
}

// lenenc reads a length-encoded integer. n is its size, 0 when p is cut off;
// NULL reads as null.
func lenenc(p []byte) (v uint64, null bool, n int) {
	if len(p) == 0 {
		return 0, false, 0
	}
	size := 0
	switch p[0] {
	case 0xfb:
		return 0, true, 1
	case 0xfc:
		size = 2
	case 0xfd:
		size = 3
	case 0xfe:
		size = 8
	default:
		return uint64(p[0]), false, 1
	}
	if len(p) <= size {
		return 0, false, 0
	}
	for i := size; i > 0; i-- {
		v = v<<8 | uint64(p[i])
	}
	return v, false, size + 1
}

func appendLenenc(dst []byte, v uint64) []byte {
	switch {
	case v < 0xfb:
		return append(dst, byte(v))
	case v < 1<<16:
		return append(dst, 0xfc, byte(v), byte(v>>8))
	case v < 1<<24:
		return append(dst, 0xfd, byte(v), byte(v>>8), byte(v>>16))
	}
	return binary.LittleEndian.AppendUint64(append(dst, 0xfe), v)
}

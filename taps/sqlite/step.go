package sqlite

// #include "step.h"
import "C"

import (
	"context"
	"errors"
	"reflect"
	"unsafe"

	"github.com/mattn/go-sqlite3"
)

// Tags of fields, as step.h has them.
const (
	tagNull   = C.FIELD_NULL
	tagInt    = C.FIELD_INT
	tagDouble = C.FIELD_DOUBLE
	tagText   = C.FIELD_TEXT
	tagBlob   = C.FIELD_BLOB
)

// bufferBytes is how much is read with one call, unless a row is bigger.
const bufferBytes = 256 << 10

// cursor reads the rows of a statement, many at a time.
type cursor struct {
	stmt   *sqlite3.SQLiteStmt
	handle *C.sqlite3_stmt
	buffer []byte
	state  *C.struct_elt_rows
	settle func()
}

// refusal is SQLite's word on a statement.
type refusal struct {
	code    sqlite3.ErrNo
	message string
}

func (r *refusal) Error() string { return r.message }

// read prepares sql, one statement without parameters. The end of ctx
// interrupts it, also in the middle of sorting.
func (s *session) read(ctx context.Context, sql string) (*cursor, error) {
	stmt, err := s.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	c := &cursor{stmt: stmt.(*sqlite3.SQLiteStmt), state: &C.struct_elt_rows{}}
	// The driver keeps the handle to itself, and its rows cost an interface
	// value per field and several calls into C for each.
	field := reflect.ValueOf(c.stmt).Elem().FieldByName("s")
	if !field.IsValid() || field.Kind() != reflect.Pointer {
		stmt.Close()
		return nil, errors.New("this version of go-sqlite3 hides its statements elsewhere")
	}
	c.handle = (*C.sqlite3_stmt)(field.UnsafePointer())
	if c.buffer = s.buffer; c.buffer == nil {
		c.buffer = make([]byte, bufferBytes)
		s.buffer = c.buffer
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		C.elt_interrupt(c.handle)
	})
	c.settle = func() {
		if !stop() {
			<-interrupted // the statement is there until then
		}
	}
	return c, nil
}

// next is the bytes of the following rows and how many they are, valid until
// it is called again; none at the end.
func (c *cursor) next() (data []byte, rows int, err error) {
	for {
		rc := C.elt_read(c.handle, (*C.uchar)(unsafe.Pointer(unsafe.SliceData(c.buffer))), C.long(len(c.buffer)), c.state)
		switch {
		case rc != C.READ_MORE && rc != C.READ_DONE:
			message := C.GoString(&c.state.message[0])
			if message == "" {
				message = "out of memory"
			}
			return nil, 0, &refusal{sqlite3.ErrNo(rc & 0xff), message}
		case rc == C.READ_MORE && c.state.rows == 0: // a row that is bigger than the buffer
			c.buffer = make([]byte, c.state.need)
		default:
			return c.buffer[:c.state.used], int(c.state.rows), nil
		}
	}
}

func (c *cursor) close() {
	c.settle()
	c.stmt.Close()
}

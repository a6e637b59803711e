package sqlite

// #include "bind.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/mattn/go-sqlite3"
)

// Tags of fields, as bind.h has them.
const (
	tagNull   = C.FIELD_NULL
	tagInt    = C.FIELD_INT
	tagDouble = C.FIELD_DOUBLE
	tagText   = C.FIELD_TEXT
	tagBlob   = C.FIELD_BLOB
)

// statement is a prepared statement that runs for a whole batch at once.
type statement struct {
	stmt   *sqlite3.SQLiteStmt
	handle *C.sqlite3_stmt
}

func prepare(conn *sqlite3.SQLiteConn, sql string) (*statement, error) {
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	s := &statement{stmt: stmt.(*sqlite3.SQLiteStmt)}
	// The driver keeps the handle to itself, and executing through the driver
	// costs an interface value per field and a call into C for each.
	field := reflect.ValueOf(s.stmt).Elem().FieldByName("s")
	if !field.IsValid() || field.Kind() != reflect.Pointer {
		stmt.Close()
		return nil, errors.New("this version of go-sqlite3 hides its statements elsewhere")
	}
	s.handle = (*C.sqlite3_stmt)(field.UnsafePointer())
	return s, nil
}

// refusal is SQLite's word on a row.
type refusal struct {
	row     int // of the rows given
	code    sqlite3.ErrNo
	message string
}

func (r *refusal) Error() string { return r.message }

// run executes s for each of count rows in data; other, if not nil, follows
// for a row where s changed nothing. What it returns of data is not executed.
func (s *statement) run(other *statement, data []byte, count, fields int) ([]byte, error) {
	if count == 0 {
		return data, nil
	}
	var second *C.sqlite3_stmt
	if other != nil {
		second = other.handle
	}
	var done, used C.long
	var message [512]C.char
	rc := C.elt_run(s.handle, second, (*C.uchar)(unsafe.Pointer(unsafe.SliceData(data))), C.long(count), C.int(fields), &done, &used, &message[0], C.int(len(message)))
	if rc != 0 {
		return data[used:], &refusal{int(done), sqlite3.ErrNo(rc & 0xff), fmt.Sprintf("%s (SQLite code %d)", C.GoString(&message[0]), int(rc))}
	}
	return data[used:], nil
}

func (s *statement) close() { s.stmt.Close() }

// ofRow says that the row is at fault, not the file.
func (r *refusal) ofRow() bool {
	return r.code == sqlite3.ErrConstraint || r.code == sqlite3.ErrMismatch || r.code == sqlite3.ErrTooBig
}

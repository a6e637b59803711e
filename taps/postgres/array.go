package postgres

import (
	"encoding/binary"
	"errors"

	"elt/internal/row"
)

var errArray = errors.New("the server sent a malformed array")

// appendArray appends an array in array_send's format (dimensions, a flag
// for NULLs, the element type; per dimension its length and lower bound; the
// elements) as JSON. Lower bounds are not kept.
func appendArray(dst, field []byte, element *row.Column) ([]byte, error) {
	if len(field) < 12 {
		return dst, errArray
	}
	dims := int(binary.BigEndian.Uint32(field))
	if dims == 0 {
		return append(dst, "[]"...), nil
	}
	if dims > 6 || len(field) < 12+8*dims { // MAXDIM of the server
		return dst, errArray
	}
	most, cells := (len(field)-12-8*dims)/4, 1 // every element takes four bytes and more
	for d := range dims {
		if cells *= int(binary.BigEndian.Uint32(field[12+8*d:])); cells < 1 || cells > most {
			return dst, errArray
		}
	}
	a := arrayReader{sizes: field[12 : 12+8*dims], rest: field[12+8*dims:], element: element}
	dst, err := a.append(dst, 0)
	if err == nil && len(a.rest) > 0 {
		err = errArray
	}
	return dst, err
}

type arrayReader struct {
	sizes   []byte // length and lower bound of each dimension
	rest    []byte
	element *row.Column
}

func (a *arrayReader) append(dst []byte, dim int) ([]byte, error) {
	if 8*dim == len(a.sizes) {
		return a.one(dst)
	}
	dst = append(dst, '[')
	var err error
	for i := range int32(binary.BigEndian.Uint32(a.sizes[8*dim:])) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = a.append(dst, dim+1); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (a *arrayReader) one(dst []byte) ([]byte, error) {
	if len(a.rest) < 4 {
		return dst, errArray
	}
	n := int32(binary.BigEndian.Uint32(a.rest))
	a.rest = a.rest[4:]
	switch {
	case n == -1:
		return append(dst, "null"...), nil
	case n < 0 || int(n) > len(a.rest):
		return dst, errArray
	}
	dst = row.AppendJSON(dst, a.element, a.rest[:n])
	a.rest = a.rest[n:]
	return dst, nil
}

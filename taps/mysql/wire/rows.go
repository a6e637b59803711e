package wire

import (
	"context"
	"encoding/binary"
	"errors"
)

// Column is a column of a result.
type Column struct {
	typ      byte
	unsigned bool
	digits   uint8
}

const (
	comQuery       = 0x03
	comStmtPrepare = 0x16
	comStmtExecute = 0x17
	comStmtClose   = 0x19
	comBinlogDump  = 0x12
	comRegister    = 0x15
	comDumpGTID    = 0x1e

	headOK  = 0x00
	headEOF = 0xfe
	headErr = 0xff
)

// Rows are the rows of a statement. Read them to the end, or give up the
// connection.
type Rows struct {
	conn    *Conn
	id      []byte
	columns []Column
	stop    func() bool
}

// Query prepares and runs a statement with text parameters. ctx bounds also
// the reading of its rows.
func (c *Conn) Query(ctx context.Context, sql string, args []string) (*Rows, error) {
	r := &Rows{conn: c, stop: c.watch(ctx)}
	err := c.prepare(r, sql, len(args))
	if err == nil {
		err = c.execute(r, args)
	}
	if err != nil {
		r.stop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	return r, nil
}

func (c *Conn) prepare(r *Rows, sql string, args int) error {
	if err := c.command(comStmtPrepare, []byte(sql)); err != nil {
		return err
	}
	p, err := c.packet()
	switch {
	case err != nil:
		return err
	case p[0] == headErr:
		return refusal(p)
	case len(p) < 9:
		return errShort
	}
	r.id = append([]byte(nil), p[1:5]...)
	columns, params := int(binary.LittleEndian.Uint16(p[5:])), int(binary.LittleEndian.Uint16(p[7:]))
	if params != args {
		return errors.New("a statement has other parameters than values")
	}
	if _, err := c.definitions(nil, params); err != nil {
		return err
	}
	r.columns, err = c.definitions(nil, columns)
	return err
}

// definitions reads n columns, and the EOF behind them where the server still
// sends one.
func (c *Conn) definitions(dst []Column, n int) ([]Column, error) {
	for range n {
		p, err := c.packet()
		if err != nil {
			return nil, err
		}
		col, err := definition(p)
		if err != nil {
			return nil, err
		}
		dst = append(dst, col)
	}
	if n > 0 && c.eofs {
		if _, err := c.packet(); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func definition(p []byte) (col Column, err error) {
	for range 6 { // catalog, schema, table and column, each by two names
		v, _, n := lenenc(p)
		if n == 0 || uint64(len(p)-n) < v {
			return col, errShort
		}
		p = p[n+int(v):]
	}
	if len(p) < 11 { // a length, the character set, width, type, flags, decimals
		return col, errShort
	}
	return Column{typ: p[7], unsigned: binary.LittleEndian.Uint16(p[8:])&0x20 != 0, digits: p[10]}, nil
}

func (c *Conn) execute(r *Rows, args []string) error {
	body := append(append([]byte(nil), r.id...), 0, 1, 0, 0, 0) // no cursor, one execution
	if len(args) > 0 {
		body = append(body, make([]byte, (len(args)+7)/8)...) // none is NULL
		body = append(body, 1)
		for range args {
			body = append(body, typeVarString, 0)
		}
		for _, a := range args {
			body = append(appendLenenc(body, uint64(len(a))), a...)
		}
	}
	if err := c.command(comStmtExecute, body); err != nil {
		return err
	}
	p, err := c.packet()
	switch {
	case err != nil:
		return err
	case p[0] == headErr:
		return refusal(p)
	}
	count, _, n := lenenc(p)
	if int(count) != len(r.columns) {
		return errors.New("the server answers with other columns than it prepared")
	}
	if n < len(p) && p[n] == 0 { // MariaDB: as they were prepared
		return nil
	}
	r.columns, err = c.definitions(r.columns[:0], int(count))
	return err
}

// Len is how many columns a row has.
func (r *Rows) Len() int { return len(r.columns) }

// Next reads a row into cells; false is the end.
func (r *Rows) Next(cells []Cell) (bool, error) {
	p, err := r.conn.packet()
	if err != nil {
		r.stop()
		return false, err
	}
	switch {
	case len(p) > 0 && p[0] == headErr:
		r.stop()
		return false, refusal(p)
	case len(p) > 0 && p[0] == headEOF:
		if !r.stop() {
			return false, context.Canceled
		}
		return false, r.conn.command(comStmtClose, r.id) // it is not answered
	}
	nulls := (len(r.columns) + 9) / 8
	if len(p) < 1+nulls {
		return false, errShort
	}
	bitmap, rest := p[1:1+nulls], p[1+nulls:]
	for i := range r.columns {
		if bitmap[(i+2)/8]>>((i+2)%8)&1 != 0 {
			cells[i].Kind = Null
			continue
		}
		if rest, err = cells[i].result(&r.columns[i], rest); err != nil {
			return false, err
		}
	}
	return true, nil
}

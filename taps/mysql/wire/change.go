package wire

import "fmt"

// changes are the rows of one event.
type changes struct {
	op     byte
	table  *Table
	before []byte // which columns are there
	after  []byte
	rest   []byte
}

// Op is what became of a row.
type Op uint8

const (
	Done Op = iota // there is no further row
	Insert
	Update
	Delete
)

// changed begins an event of rows.
func (l *Log) changed(e Event, p []byte, op byte, version int, packed bool) (Event, error) {
	if len(p) < 8 {
		return e, errShort
	}
	id, flags, p := little(p[:6]), little(p[6:8]), p[8:]
	table, known := l.tables[id]
	if !known {
		if id == 0xffffff && flags&1 != 0 { // the server says: forget all tables
			return e, nil
		}
		return e, fmt.Errorf("it changes a table that was not announced: the position lies inside of a transaction")
	}
	if table == nil {
		return e, nil
	}
	if version == 2 {
		if len(p) < 2 || uint64(len(p)) < little(p[:2]) || little(p[:2]) < 2 {
			return e, errShort
		}
		p = p[little(p[:2]):]
	}
	count, _, n := lenenc(p)
	if n == 0 || int(count) != len(table.columns) {
		return e, errShort
	}
	p = p[n:]
	size := (int(count) + 7) / 8
	l.rows.op, l.rows.table, l.rows.before, l.rows.after = op, table, nil, nil
	take := func(to *[]byte) error {
		if len(p) < size {
			return errShort
		}
		*to, p = p[:size], p[size:]
		return nil
	}
	var err error
	if op != 'i' {
		err = take(&l.rows.before)
	}
	if op != 'd' && err == nil {
		err = take(&l.rows.after)
	}
	if packed && err == nil {
		p, err = l.inflate.maria(p)
	}
	l.rows.rest = p
	e.Kind, e.Table = Changes, table
	return e, err
}

// Change reads the next row of the event that Next returned last: before for
// an Update or Delete, after for an Insert or Update, a cell per column of the
// table. Columns that are left out are Absent.
func (l *Log) Change(before, after []Cell) (op Op, err error) {
	r := &l.rows
	if len(r.rest) == 0 {
		return Done, nil
	}
	if r.before != nil {
		op, err = Delete, r.image(r.before, before)
	}
	if r.after != nil && err == nil {
		if err = r.image(r.after, after); op == Delete {
			op = Update
		} else {
			op = Insert
		}
	}
	if err != nil {
		return op, fmt.Errorf("a row of %s.%s before %s:%d: %w", r.table.Database, r.table.Name, l.At.File, l.At.Pos, err)
	}
	return op, nil
}

// image reads one image of a row.
func (r *changes) image(has []byte, cells []Cell) error {
	there := 0
	for i := range r.table.columns {
		there += int(has[i/8] >> (i % 8) & 1)
	}
	size := (there + 7) / 8
	if len(r.rest) < size {
		return errShort
	}
	nulls, p := r.rest[:size], r.rest[size:]
	at := 0
	for i := range r.table.columns {
		c := &cells[i]
		if has[i/8]>>(i%8)&1 == 0 {
			c.Kind = Absent
			continue
		}
		null := nulls[at/8]>>(at%8)&1 != 0
		at++
		if null {
			c.Kind = Null
			continue
		}
		var err error
		if p, err = c.stored(r.table.columns[i], p); err != nil {
			return err
		}
	}
	r.rest = p
	return nil
}

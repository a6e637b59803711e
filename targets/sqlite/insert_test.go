package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"

	"elt/internal/sqltarget"
	"elt/internal/sqltarget/sqltest"
)

// Ways to insert the same encoded rows into a table without a key: a row per
// statement or several, executed by the loop in C, or by the driver's Exec.
// docs/performance.md has the figures.
func BenchmarkInsert(b *testing.B) {
	const rows = 4000
	batch := sqltest.Lineitem(rows, "")
	var columns []sqltarget.Column
	for _, c := range batch.Schema.Columns {
		columns = append(columns, sqltarget.New(sqltarget.SQLite{}, c))
	}
	encoder, err := newEncoder(batch.Schema, columns, nil)
	if err != nil {
		b.Fatal(err)
	}
	take := make([]bool, len(columns))
	for i := range take {
		take[i] = true
	}
	var data []byte
	for i := range rows {
		if data, err = encoder.append(data, batch, i, take, 0); err != nil {
			b.Fatal(err)
		}
	}
	for _, each := range []int{1, 8, 50} {
		b.Run(fmt.Sprintf("C/rows=%d", each), func(b *testing.B) {
			insert(b, columns, each, rows, func(s *statement) error {
				_, err := s.run(nil, data, rows/each, len(columns)*each)
				return err
			})
		})
	}
	for _, each := range []int{1, 8, 50} {
		values := values(data, rows*len(columns))
		b.Run(fmt.Sprintf("driver/rows=%d", each), func(b *testing.B) {
			insert(b, columns, each, rows, func(s *statement) error {
				n := len(columns) * each
				for at := 0; at < len(values); at += n {
					if _, err := s.stmt.Exec(values[at : at+n]); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

func insert(b *testing.B, columns []sqltarget.Column, each, rows int, run func(*statement) error) {
	s, err := open(b.Context(), filepath.Join(b.TempDir(), "x.db"), 1)
	if err != nil {
		b.Fatal(err)
	}
	defer s.conn.Close()
	table := sqltarget.Table{Name: "t", Columns: columns}
	for _, sql := range []string{table.Create(false), "begin"} {
		if err := s.exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	row := "(?" + strings.Repeat(",?", len(columns)-1) + ")"
	stmt, err := prepare(s.conn, "insert into t values "+row+strings.Repeat(","+row, each-1))
	if err != nil {
		b.Fatal(err)
	}
	defer stmt.close()
	start := cpu()
	for b.Loop() {
		if err := run(stmt); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/(cpu()-start), "rows/cpu-s")
}

// values are encoded fields as the driver takes them.
func values(data []byte, count int) []driver.Value {
	values := make([]driver.Value, count)
	for i := range values {
		tag := data[0]
		data = data[1:]
		switch tag {
		case tagInt:
			values[i], data = int64(binary.NativeEndian.Uint64(data)), data[8:]
		case tagDouble:
			values[i], data = math.Float64frombits(binary.NativeEndian.Uint64(data)), data[8:]
		case tagText, tagBlob:
			n := binary.NativeEndian.Uint32(data)
			values[i], data = string(data[4:4+n]), data[4+n:]
		}
	}
	return values
}

func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// Several rows are one statement, yet the row that is refused is known, and
// those before it went in.
func TestRefusedRowAmongMany(t *testing.T) {
	f := newFile(t)
	log := schema("log", "", "id int64", "v text")
	ld := f.stream(f.lane(f.sink(nil)), log).(*loader)
	ld.lane.conn.SetLimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
	var rows [][]any
	for i := range 30 {
		rows = append(rows, []any{i, strings.Repeat("x", 1+i/20*2000)})
	}
	b := batch(log, rows...)
	v, err := ld.lookup("")
	f.must(err)
	if v.many == nil {
		t.Fatal("rows are inserted one by one")
	}
	var data []byte
	for i := range b.Len() {
		data, err = ld.encoder.append(data, b, i, v.take, 0)
		f.must(err)
	}
	var refused *refusal
	if err := v.run(data, b.Len()); !errors.As(err, &refused) || refused.row != 20 {
		t.Errorf("row 20 is too big: %+v", err)
	}
	in, err := ld.lane.query(t.Context(), "select count(*), sum(id) from "+ld.at.Ref())
	f.must(err)
	if in[0][0] != int64(20) || in[0][1] != int64(190) {
		t.Errorf("rows in the table: %v", in)
	}
}

package sqlite

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

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
			insert(b, columns, each, rows, func(s *statement) error { return s.run(nil, data, rows/each, len(columns)*each) })
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

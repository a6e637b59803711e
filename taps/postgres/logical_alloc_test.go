package postgres

import (
	"encoding/binary"
	"testing"

	"elt/internal/row"
	"elt/taps/postgres/replication"
)

// A change becomes a row without anything being allocated for it.
func TestAChangeAllocatesNothing(t *testing.T) {
	text := func(dst []byte, values ...string) []byte {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(values)))
		for _, v := range values {
			if v == "" {
				dst = append(dst, 'u')
				continue
			}
			dst = binary.BigEndian.AppendUint32(append(dst, 't'), uint32(len(v)))
			dst = append(dst, v...)
		}
		return dst
	}
	columns := []row.Column{
		{Name: "id", Kind: row.Int64, Wire: row.WireInt8}, {Name: "n", Kind: row.Numeric, Wire: row.WireNumeric}, {Name: "f", Kind: row.Float64, Wire: row.WireFloat8},
		{Name: "at", Kind: row.TimestampTZ, Wire: row.WireTimestampTZ}, {Name: "u", Kind: row.UUID, Wire: row.WireUUID}, {Name: "b", Kind: row.Bool, Wire: row.WireBool},
		{Name: "j", Kind: row.JSON, Wire: row.WireJSONB}, {Name: "by", Kind: row.Bytes, Wire: row.WireBytea}, {Name: "big", Kind: row.Text, Wire: row.WireText},
	}
	describe := append([]byte("R\x00\x00\x00\x07public\x00t\x00d"), 0, byte(len(columns)))
	schema := &row.Schema{Stream: "public-t", Key: []string{"id"}, Columns: columns}
	m := &mapping{plan: &plan{log: &logPlan{lsn: true, del: true}}, keys: []int{0}}
	for i, c := range columns {
		describe = append(append(append(describe, 0), c.Name...), 0, 0, 0, 0, 20, 0xff, 0xff, 0xff, 0xff)
		m.columns = append(m.columns, mapped{i, fieldOf(c)})
	}
	schema.Columns = append(schema.Columns, row.Column{Name: lsnColumn, Kind: row.Int64, Wire: row.WireInt8}, row.Column{Name: deletedColumn, Kind: row.TimestampTZ, Wire: row.WireTimestampTZ})
	m.plan.schema = schema
	change := text([]byte("U\x00\x00\x00\x07N"), "9007199254740993", "12345678.901", "0.1", "2024-01-02 03:04:05.678901+00", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "t", `{"a": 1}`, `\x00ff`, "")
	var c replication.Change
	decoder := replication.NewPGOutput("p")
	if err := decoder.Decode(1, describe, &c); err != nil {
		t.Fatal(err)
	}
	b := row.NewPool(64 << 10).Get(schema)
	add := func() {
		if err := decoder.Decode(5, change, &c); err != nil || c.Kind != replication.Update {
			t.Fatalf("%v %v", c.Kind, err)
		}
		if err := m.add(b, c.New, c.Old, c.LSN, 7, false); err != nil {
			t.Fatal(err)
		}
		if b.Len() == 200 {
			b.Reset(schema)
		}
	}
	for range 400 {
		add()
	}
	if n := testing.AllocsPerRun(1000, add); n > 0 {
		t.Errorf("%v allocations per change", n)
	}
}

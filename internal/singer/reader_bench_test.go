package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"elt/internal/row"
)

// sink is a Handler that throws everything away.
type sink struct{ rows int }

func (s *sink) Schema(context.Context, *row.Schema) error     { return nil }
func (s *sink) State(context.Context, json.RawMessage) error  { return nil }
func (s *sink) Activate(context.Context, string, int64) error { return nil }
func (s *sink) Tick(context.Context) error                    { return nil }
func (s *sink) Write(_ context.Context, b *row.Batch) error {
	s.rows += b.Len()
	b.Release()
	return nil
}

const lineitemSchema = `{"type":"SCHEMA","stream":"tpch-lineitem","key_properties":["l_orderkey","l_linenumber"],"schema":{"type":"object","properties":{` +
	`"l_orderkey":{"type":["integer"]},"l_partkey":{"type":["null","integer"]},"l_suppkey":{"type":["null","integer"]},"l_linenumber":{"type":["integer"]},` +
	`"l_quantity":{"type":["null","number"]},"l_extendedprice":{"type":["null","number"]},"l_discount":{"type":["null","number"]},"l_tax":{"type":["null","number"]},` +
	`"l_returnflag":{"type":["null","string"]},"l_linestatus":{"type":["null","string"]},"l_shipdate":{"type":["null","string"],"format":"date"},` +
	`"l_commitdate":{"type":["null","string"],"format":"date"},"l_receiptdate":{"type":["null","string"],"format":"date-time"},` +
	`"l_shipinstruct":{"type":["null","string"]},"l_shipmode":{"type":["null","string"]},"l_comment":{"type":["null","string"]}}}}`

// lineitemLines is n RECORD lines of about 550 bytes, as Python writes them.
func lineitemLines(n int, compact bool) []byte {
	var b bytes.Buffer
	for i := range n {
		line := fmt.Sprintf(`{"type": "RECORD", "stream": "tpch-lineitem", "record": {"l_orderkey": %d, "l_partkey": %d, "l_suppkey": %d, "l_linenumber": %d, `+
			`"l_quantity": %d.00, "l_extendedprice": %d.%02d, "l_discount": 0.%02d, "l_tax": 0.%02d, "l_returnflag": "N", "l_linestatus": "O", `+
			`"l_shipdate": "1996-%02d-%02d", "l_commitdate": "1996-02-%02d", "l_receiptdate": "1996-03-%02dT00:00:00+00:00", `+
			`"l_shipinstruct": "DELIVER IN PERSON", "l_shipmode": "TRUCK", "l_comment": "egular courts above the %d"}, "version": 1700000000000, "time_extracted": "2026-11-21T10:00:00.123456Z"}`,
			i*7, i%200000, i%10000, i%7+1, i%50, 1000+i%90000, i%100, i%11, i%9, i%12+1, i%28+1, i%28+1, i%28+1, i)
		if compact {
			line = strings.NewReplacer(`", "`, `","`, `": `, `":`, `, "`, `,"`).Replace(line)
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func BenchmarkReader(b *testing.B) {
	schema := lineitemSchema
	var m map[string]any
	_ = json.Unmarshal([]byte(schema), &m)
	sorted, _ := json.Marshal(m) // properties in another order than the records'
	sparse := bytes.ReplaceAll(lineitemLines(20000, true), []byte(`"l_partkey":1`), []byte(`"l_other":1`))
	for _, c := range []struct {
		name, schema string
		records      []byte
	}{
		{"python", schema, lineitemLines(20000, false)},
		{"compact", schema, lineitemLines(20000, true)},
		{"sorted-schema", string(sorted), lineitemLines(20000, false)},
		{"surprises", schema, sparse},
	} {
		input := append([]byte(c.schema+"\n"), c.records...)
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(input)))
			b.ReportAllocs()
			start := time.Now()
			rows := 0
			for b.Loop() {
				s := &sink{}
				if _, err := NewReader(bytes.NewReader(input), ReaderOptions{}).Run(context.Background(), s); err != nil {
					b.Fatal(err)
				}
				if s.rows != 20000 {
					b.Fatal(s.rows)
				}
				rows += s.rows
			}
			b.ReportMetric(float64(rows)/time.Since(start).Seconds(), "records/s")
		})
	}
}

func BenchmarkType(b *testing.B) {
	first := bytes.TrimSuffix(lineitemLines(1, false), []byte("\n"))
	last := []byte(`{"stream": "tpch-lineitem", "record": ` + string(first[bytes.Index(first, []byte(`"record": `))+10:len(first)-1]) + `, "type": "RECORD"}`)
	for name, line := range map[string][]byte{"first": first, "last": last} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			for b.Loop() {
				if Type(line) != RecordMessage {
					b.Fatal(string(line))
				}
			}
		})
	}
}

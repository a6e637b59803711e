package xactly

import (
	"testing"

	fake "elt/internal/fake/xactly"
	"elt/taps/taptest"
)

func TestSuite(t *testing.T) {
	tables := fake.Tables(20)
	s := start(t, fake.Behaviour{}, tables...)
	expect := taptest.Expect{Rows: map[string]int{}, Resumed: map[string]int{"xc_credit": 2, "xc_credit_summary": 20}}
	for _, table := range tables {
		expect.Rows[table.Name] = 20
	}
	taptest.Run(t, New(), config(s, nil), expect)
}

func TestEveryStreamArrives(t *testing.T) {
	tables := fake.Tables(50)
	s := start(t, fake.Behaviour{}, tables...)
	got := run(t, config(s, object{"page_size": 7}), "")
	if got.err != nil {
		t.Fatal(got.err)
	}
	if len(got.records) != 30 {
		t.Errorf("%d streams", len(got.records))
	}
	for _, table := range tables {
		want(t, table, table.Rows, got.records[table.Name])
	}
}

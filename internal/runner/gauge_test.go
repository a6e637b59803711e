package runner

import (
	"fmt"
	"reflect"
	"testing"
)

func TestGauges(t *testing.T) {
	var g gauges
	for _, line := range []string{
		`INFO METRIC: {"type":"gauge","metric":"lag","value":1,"tags":{"slot":"a"}}`,
		`METRIC: {"type": "gauge", "metric": "lag", "value": 2.5, "tags": {"slot": "b"}}` + "\n",
		`METRIC: {"type":"counter","metric":"record_count","value":9,"tags":{}}`,
		`METRIC: {"type":"gauge","metric":"lag","value":`,
		`METRIC: {"type":"gauge","metric":"lag","value":"many"}`,
		`nothing of the kind`,
		`INFO METRIC: {"type":"gauge","metric":"lag","value":7,"tags":{"slot":"a"}}`,
	} {
		g.hear([]byte(line))
	}
	want := []Gauge{{"lag", 7, map[string]string{"slot": "a"}}, {"lag", 2.5, map[string]string{"slot": "b"}}}
	if got := g.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	for i := range 2 * mostGauges {
		g.hear(fmt.Appendf(nil, `METRIC: {"type":"gauge","metric":"m%d","value":1}`, i))
	}
	if n := len(g.all()); n != mostGauges {
		t.Errorf("%d are kept", n)
	}
}

// What a tap measures stands in the run's report and record.
func TestGaugesOfARun(t *testing.T) {
	b := newBench(t, `{steps: [{stderr: {text: 'METRIC: {"type":"gauge","metric":"replication_slot_lag_bytes","value":4096,"tags":{"slot":"s1"}}', times: 1}}, `+tenRows+`]}`, `{}`)
	rep, err := b.run(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log)
	}
	want := []Gauge{{"replication_slot_lag_bytes", 4096, map[string]string{"slot": "s1"}}}
	if !reflect.DeepEqual(rep.Gauges, want) {
		t.Errorf("%v", rep.Gauges)
	}
}

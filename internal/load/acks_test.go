package load

import (
	"bytes"
	"encoding/json"
	"testing"
)

// Invariant 2: whole value, one line, no repeats, never {} or null for something.
func TestAcksPrintEachValueOnceOnOneLine(t *testing.T) {
	var out bytes.Buffer
	a := &acks{out: &out}
	for _, value := range []string{`{"a":1}`, `{"a": 1}`, `{}`, `null`, "{\n \"a\": 1.10\n}", `{"a":1.10}`, `{"a":1}`} {
		if err := a.print(json.RawMessage(value)); err != nil {
			t.Fatal(err)
		}
	}
	const want = "{\"a\":1}\n{\"a\":1.10}\n{\"a\":1}\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
}

package singer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Marks is a state value whose bookmarks are changed one by one: after any
// changes it is what encoding/json makes of the same map.
func TestMarksAreTheValue(t *testing.T) {
	start := `{"currently_syncing": null, "zone":[1, 2],"bookmarks":{"b\"1":{"at": 1.50},"a":null}}`
	m := NewMarks(NewBookmarks([]byte(start)))
	want := map[string]json.RawMessage{"b\"1": []byte(`{"at":1.50}`), "a": []byte("null")}
	names := []string{"a", "b\"1", "ü", "c\n", "", "z"}
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 500 {
		name := names[random.IntN(len(names))]
		var value json.RawMessage
		if random.IntN(3) > 0 {
			value = fmt.Appendf(nil, `{"n":%d}`, n)
			want[name] = value
		} else {
			delete(want, name)
		}
		if err := m.Set(name, value); err != nil {
			t.Fatal(err)
		}
		marks, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		whole := `{"bookmarks":` + string(marks) + `,"zone":[1,2]}`
		if got := m.Raw(); !json.Valid(got) || !EqualJSON(got, []byte(whole)) {
			t.Fatalf("got  %s\nwant %s", got, whole)
		}
		if name := names[random.IntN(len(names))]; string(m.Stream(name)) != string(want[name]) {
			t.Fatalf("%q is at %s, want %s", name, m.Stream(name), want[name])
		}
		if size := len(m.Raw()); m.Size() < size/2 || m.Size() > 2*size+64*2 {
			t.Fatalf("said to be %d bytes long, is %d", m.Size(), size)
		}
	}
}

func TestMarksOfSomethingElse(t *testing.T) {
	for start, want := range map[string]string{`[1]`: "no JSON object", `{"bookmarks":5}`: `"bookmarks"`, `{"a`: "no JSON object"} {
		m := NewMarks(NewBookmarks([]byte(start)))
		if err := m.Set("a", []byte(`1`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", start, err)
		}
	}
	m := NewMarks(Bookmarks{})
	if err := m.Set("a", []byte(`{"broken"`)); err == nil || string(m.Raw()) != `{"bookmarks":{}}` {
		t.Errorf("a broken position: %v, %s", err, m.Raw())
	}
}

// What a stream's bookmark costs does not grow with the number of streams.
func TestWriterTellsItsPeerOfOneStreamAtATime(t *testing.T) {
	longest := func(streams int) (most int) {
		var out strings.Builder
		w := NewWriter(&out, WriterOptions{Style: Native})
		for n := range streams {
			schema := *idSchema
			schema.Stream = fmt.Sprintf("stream-%05d", n)
			s, err := w.Stream(t.Context(), &schema)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Position(Position{Value: []byte(`{"id":12345}`)}); err != nil {
				t.Fatal(err)
			}
			if err := s.End(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if Type([]byte(line)) == StateMessage {
				most = max(most, len(line))
			}
		}
		return most
	}
	if few, many := longest(2), longest(300); few != many {
		t.Errorf("a STATE has %d bytes with 2 streams, %d with 300", few, many)
	}
}

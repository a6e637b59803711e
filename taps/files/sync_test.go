package files

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"elt/internal/singer"
)

func TestSyncReadsWhatIsSelected(t *testing.T) {
	catalog, err := singer.ParseCatalog([]byte(`{"streams":[
		{"tap_stream_id":"some","schema":{"properties":{"a":{},"b":{}}},"metadata":[
			{"breadcrumb":[],"metadata":{"selected":true}},{"breadcrumb":["properties","a"],"metadata":{"selected":true}},
			{"breadcrumb":["properties","b"],"metadata":{"selected":false}}]},
		{"tap_stream_id":"none","schema":{"properties":{"a":{}}},"metadata":[
			{"breadcrumb":[],"metadata":{"selected":true}},{"breadcrumb":["properties","a"],"metadata":{"selected":false}}]},
		{"tap_stream_id":"broken","schema":{"properties":{"a":{}}},"metadata":[{"breadcrumb":[],"metadata":{"selected":true}}]},
		{"tap_stream_id":"out","schema":{"properties":{"a":{}}},"metadata":[{"breadcrumb":[],"metadata":{"selected":false}}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	streams := []string{"broken", "none", "some", "out", "new"}
	var mu sync.Mutex
	read := map[string][]string{}
	err = Sync(catalog, streams, 2, func(n int, selected []string) error {
		mu.Lock()
		defer mu.Unlock()
		read[streams[n]] = selected
		if streams[n] == "broken" {
			return errors.New("no such file")
		}
		return nil
	})
	if len(read) != 2 || !slices.Equal(read["some"], []string{"a"}) {
		t.Errorf("read %v", read)
	}
	if err == nil || !strings.Contains(err.Error(), `stream "broken": no such file`) || !strings.Contains(err.Error(), `"none" is selected, but none of its properties`) {
		t.Error(err)
	}
	read = map[string][]string{}
	if err := Sync(nil, streams, 1, func(n int, selected []string) error { read[streams[n]] = selected; return nil }); err != nil || len(read) != 5 || read["some"] != nil {
		t.Error(read, err)
	}
}

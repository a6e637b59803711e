package singer

import (
	"strings"
	"testing"
)

// A run that PipelineWise's tap broke off in a stream is taken up there.
func TestBeginsWhereARunWasBrokenOff(t *testing.T) {
	c := &Catalog{Streams: []*CatalogStream{{TapStreamID: "a"}, {TapStreamID: "b"}, {TapStreamID: "c"}}}
	for state, want := range map[string]string{
		"": "a b c", `{"currently_syncing":null}`: "a b c", `{"currently_syncing":"a"}`: "a b c", `{"currently_syncing":"gone"}`: "a b c",
		`{"bookmarks":{},"currently_syncing":"b"}`: "b c a", `{"currently_syncing":"c"}`: "c a b", `{"currently_syncing":7}`: "a b c",
	} {
		var got []string
		for _, s := range c.BeginAt(NewBookmarks([]byte(state)).Interrupted()).Streams {
			got = append(got, s.ID())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", state, got, want)
		}
	}
	var none *Catalog
	if none.BeginAt("a") != nil {
		t.Error("no catalog stays none")
	}
}

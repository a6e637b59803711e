package singer

import (
	"errors"
	"strings"
	"testing"

	"elt/internal/fault"
)

func TestEachElement(t *testing.T) {
	for raw, want := range map[string]string{
		`[]`: "", ` [ 1 , "a,]" , {"b":[2]} ] `: `1|"a,]"|{"b":[2]}`, `[1.10]`: "1.10",
	} {
		var got []string
		if err := EachElement([]byte(raw), func(v []byte) error { got = append(got, string(v)); return nil }); err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
	for _, raw := range []string{``, `{}`, `[1`, `[1,]`, `[1 2]`, `[1] 2`, `[,]`} {
		var told *fault.Error
		if err := EachElement([]byte(raw), func([]byte) error { return nil }); !errors.As(err, &told) {
			t.Errorf("%q: %v", raw, err)
		}
	}
	stop := errors.New("enough")
	if err := EachElement([]byte(`[1,2]`), func([]byte) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
}

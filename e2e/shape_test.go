package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// shape: shape FILE prints which fields a JSON text has and of what type
// they are, for cmp stdout: a program reads fields, not values. FILE may be
// stdout. Of a list the first element speaks for all.
func shape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shape FILE")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var v any
	ts.Check(d.Decode(&v))
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("%s holds more than one JSON value", args[0])
	}
	printShape(ts.Stdout(), "", v)
}

func printShape(w io.Writer, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			switch key {
			case "bookmark", "completed", "partial": // the tap's own
				fmt.Fprintln(w, path+"."+key, "state")
			case "bottleneck": // absent where a run was too short to have one
			default:
				printShape(w, path+"."+key, v[key])
			}
		}
	case []any:
		if len(v) == 0 {
			fmt.Fprintln(w, path+"[] nothing")
			return
		}
		printShape(w, path+"[]", v[0])
	default:
		name, ok := map[string]string{"string": "string", "float64": "number", "bool": "boolean", "<nil>": "null"}[fmt.Sprintf("%T", v)]
		if !ok {
			name = fmt.Sprintf("%T", v)
		}
		fmt.Fprintln(w, path, name)
	}
}

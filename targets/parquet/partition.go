package parquet

import (
	"encoding/json"
	"path"
	"slices"

	"elt/internal/fault"
)

const partitionExample = `[{"stream": "public-orders", "columns": ["country", "day"]}]`

// partitions say which columns of which streams make folders.
type partitions []struct {
	Stream  string   `json:"stream"` // a pattern as of path.Match
	Columns []string `json:"columns"`
}

// readPartitions reads a list of columns, which all streams have, or of entries.
func readPartitions(list []json.RawMessage) (partitions, error) {
	list = slices.DeleteFunc(list, func(raw json.RawMessage) bool { return string(raw) == `""` }) // an empty setting
	if len(list) == 0 {
		return nil, nil
	}
	out := make(partitions, 1, len(list))
	for _, raw := range list {
		var name string
		if json.Unmarshal(raw, &name) != nil {
			break
		}
		out[0].Stream, out[0].Columns = "*", append(out[0].Columns, name)
	}
	if len(out[0].Columns) == len(list) {
		return out, nil
	}
	out = make(partitions, len(list))
	for n, raw := range list {
		err := json.Unmarshal(raw, &out[n])
		if err == nil {
			_, err = path.Match(out[n].Stream, "")
		}
		if err != nil || out[n].Stream == "" {
			return nil, fault.New(fault.BadConfig, "target-parquet: entry %d of partition_cols is neither a column like the others nor an entry of stream and columns", n+1).
				WithHint("set partition_cols to columns, for example [country, day], or to entries, for example %s", partitionExample)
		}
	}
	return out, nil
}

// of is the partition columns of a stream.
func (p partitions) of(stream string) []string {
	for _, one := range p {
		if fits, _ := path.Match(one.Stream, stream); fits || one.Stream == "*" || one.Stream == stream {
			return one.Columns
		}
	}
	return nil
}

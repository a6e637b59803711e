package snowflake

import (
	"strings"

	"elt/internal/row"
)

// A few rows go into the load table by INSERT, which saves the round trips of
// a PUT and a COPY: so many of them, of so many bytes and values.
const (
	inlineRows   = 50
	inlineBytes  = 16 << 10
	inlineValues = 2000
)

// inlined says that the rows of p, of which one more was just written, may
// still do without a file. Bytes never do: text is no BINARY to an INSERT.
func (p *part) inlined() bool {
	if p.binary || p.count > inlineRows || len(p.buffer) > inlineBytes || int(p.count)*len(p.lies) > inlineValues {
		return false
	}
	return true
}

func (l *layout) hasBinary() bool {
	for _, c := range l.into {
		if c.Name != "" && c.Kind == row.Bytes {
			return true
		}
	}
	return false
}

// insert is the statement that brings rows of CSV into a load table. Text
// becomes what the columns are, as it does in a COPY.
func insert(ref string, csv []byte) (statement, int64) {
	var s statement
	var b strings.Builder
	b.WriteString("INSERT INTO " + ref + " VALUES ")
	lines := int64(0)
	for len(csv) > 0 {
		if lines > 0 {
			b.WriteString(", ")
		}
		lines++
		b.WriteByte('(')
		for first := true; ; first = false {
			if !first {
				b.WriteString(", ")
			}
			var value any
			value, csv = csvField(csv)
			b.WriteByte('?')
			s.args = append(s.args, value)
			end := csv[0] == '\n'
			csv = csv[1:]
			if end {
				break
			}
		}
		b.WriteByte(')')
	}
	s.sql = b.String()
	return s, lines
}

// csvField is the first field of what this package's encoder writes, nil for
// NULL, and the rest from the separator on.
func csvField(csv []byte) (any, []byte) {
	if csv[0] != '"' {
		end := 0
		for csv[end] != ',' && csv[end] != '\n' {
			end++
		}
		if end == 0 {
			return nil, csv
		}
		return string(csv[:end]), csv[end:]
	}
	var text []byte
	for i := 1; ; i++ {
		switch {
		case csv[i] != '"':
			text = append(text, csv[i])
		case i+1 < len(csv) && csv[i+1] == '"':
			i++
			text = append(text, '"')
		default:
			return string(text), csv[i+1:]
		}
	}
}

package filesink

import (
	"encoding/binary"
	"errors"
	"slices"

	"elt/internal/fault"
	"elt/internal/hive"
	"elt/internal/row"
)

const (
	// pendingBytes of rows wait in memory, sorted into their partitions. Of
	// what is more the first partition's go into its file; those of others are
	// spilled, and written at the commit, one file after the other. So a
	// commit makes one file per partition however its rows are ordered, and
	// as much memory is needed as for a file that is open, however many
	// partitions there are.
	pendingBytes = 4 << 20
	// pieceBytes of rows are given to a file at a time: what it needs to turn
	// them into columns is several times as much.
	pieceBytes = 256 << 10
)

// partitioned writes a stream's rows into folders that are called after the
// values of some columns, which the files then do not have.
type partitioned struct {
	d       *loader
	by      []int       // the partition columns in the stream's schema, outermost first
	leaves  []bool      // by column: it is one of them
	rest    *row.Schema // the other columns
	groups  map[string]*group
	order   []*group // as they came
	last    *group
	open    *group // whose file is being written, nil: nobody's
	pending int64  // bytes of rows that wait
	spill   spill
	offsets []int32    // scratch
	key     []byte     // scratch
	fields  []fieldPos // scratch: of the row at hand
}

type fieldPos struct {
	bytes []byte
	state row.State
}

// group is what a commit has of one partition.
type group struct {
	values  []hive.Value
	folder  string
	rows    row.Batch // that wait
	spilled []extent
	segment *segment // its open file, nil: none yet
}

// newPartitioned prepares for rows of a schema.
func newPartitioned(d *loader, columns []string, schema *row.Schema) (*partitioned, error) {
	p := &partitioned{d: d, leaves: make([]bool, len(schema.Columns)), groups: map[string]*group{}, fields: make([]fieldPos, len(schema.Columns))}
	var names []string
	for _, c := range schema.Columns {
		names = append(names, c.Name)
	}
	for _, name := range columns {
		at := schema.Index(name)
		if at < 0 {
			err := fault.New(fault.BadConfig, "stream %s has no column %q to partition by", schema.Stream, name)
			if near := fault.Nearest(name, names); near != "" {
				err = err.WithHint("did you mean %q?", near)
			}
			return nil, err
		}
		switch c := schema.Columns[at]; {
		case p.leaves[at]:
			return nil, fault.New(fault.BadConfig, "stream %s is to be partitioned by %q twice", schema.Stream, name)
		case c.Kind == row.Float64, c.Kind == row.Bytes, c.Kind == row.JSON:
			return nil, fault.New(fault.BadConfig, "stream %s cannot be partitioned by %q, whose values (%s) name no folders", schema.Stream, name, c.Kind).
				WithHint("text, integers, decimals, booleans, dates, times and UUIDs do")
		}
		p.by, p.leaves[at] = append(p.by, at), true
	}
	rest := *schema
	rest.Columns = nil
	for i, c := range schema.Columns {
		if !p.leaves[i] {
			rest.Columns = append(rest.Columns, c)
		}
	}
	if len(rest.Columns) == 0 {
		return nil, fault.New(fault.BadConfig, "stream %s has no columns but those that it is partitioned by", schema.Stream)
	}
	p.rest = &rest
	return p, nil
}

// Append sorts rows into their partitions, and leaves dst alone.
func (p *partitioned) Append(dst []byte, b *row.Batch) ([]byte, error) {
	for i := range b.Len() {
		fields := b.Fields(i)
		for n := range p.fields {
			p.fields[n].bytes, p.fields[n].state = fields.Next()
		}
		g, err := p.group(b.Schema)
		if err != nil {
			return dst, err
		}
		before := len(g.rows.Data)
		g.rows.Begin()
		for n, f := range p.fields {
			switch {
			case p.leaves[n]:
			case f.state == row.Value:
				g.rows.Field(f.bytes)
			case f.state == row.IsNull:
				g.rows.Null()
			default:
				g.rows.SkipField()
			}
		}
		g.rows.EndAs(b.Op(i))
		if p.pending += int64(len(g.rows.Data) - before); p.pending > pendingBytes {
			if err := p.relieve(); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

// group is that of the row at hand.
func (p *partitioned) group(schema *row.Schema) (*group, error) {
	p.key = p.key[:0]
	for _, at := range p.by {
		if f := p.fields[at]; f.state == row.Value {
			p.key = binary.AppendUvarint(p.key, uint64(len(f.bytes))+1)
			p.key = append(p.key, f.bytes...)
		} else {
			p.key = append(p.key, 0)
		}
	}
	if g := p.groups[string(p.key)]; g != nil {
		return g, nil
	}
	if most := p.d.l.s.o.MaxPartitions; most > 0 && len(p.order) >= most {
		return nil, fault.New(fault.Failed, "stream %s has more than max_partitions = %d partitions in one commit", p.d.stream, most).
			WithHint("partition by columns of fewer values, or raise max_partitions: each partition is a file per commit")
	}
	g := &group{rows: row.Batch{Schema: p.rest}}
	for _, at := range p.by {
		c := &schema.Columns[at]
		v := hive.Value{Column: c.Name, Kind: c.Kind.String()}
		if f := p.fields[at]; f.state == row.Value {
			text := string(row.AppendText(nil, c, f.bytes))
			v.Text = &text
		}
		folder := v.Folder()
		if len(folder) > 255 {
			return nil, fault.New(fault.Failed, "stream %s cannot be partitioned by %q: a value makes a folder's name of %d bytes, and 255 are possible (%.60s…)",
				p.d.stream, c.Name, len(folder), folder)
		}
		if g.folder != "" {
			g.folder += "/"
		}
		g.folder, g.values = g.folder+folder, append(g.values, v)
	}
	p.groups[string(p.key)] = g
	p.order = append(p.order, g)
	return g, nil
}

// relieve takes half of the rows that wait out of memory, those of the largest
// groups, into the open file or the spill.
func (p *partitioned) relieve() error {
	for p.pending > pendingBytes/2 {
		g := slices.MaxFunc(p.order, func(a, b *group) int { return len(a.rows.Data) - len(b.rows.Data) })
		var err error
		if p.open == nil || p.open == g {
			err = p.write(g, &g.rows)
		} else {
			var e extent
			if e, err = p.spill.add(p.d.l.s.dir, &g.rows); err == nil {
				g.spilled = append(g.spilled, e)
			}
		}
		if err != nil {
			return p.d.l.s.dir.full(err)
		}
		p.empty(g)
	}
	return nil
}

// empty forgets a group's rows. Large memory goes, since it may be that
// group's turn never again.
func (p *partitioned) empty(g *group) {
	p.pending -= int64(len(g.rows.Data))
	if cap(g.rows.Data) > pieceBytes {
		g.rows = row.Batch{}
	}
	g.rows.Reset(p.rest)
}

// write adds rows to the group's file, piece by piece.
func (p *partitioned) write(g *group, rows *row.Batch) error {
	for from, to := 0, 0; from < rows.Len(); from = to {
		start, end := rows.Offsets[from], int32(len(rows.Data))
		offsets := p.offsets[:0]
		for to = from; to < rows.Len(); to++ {
			if rows.Offsets[to]-start >= pieceBytes {
				end = rows.Offsets[to]
				break
			}
			offsets = append(offsets, rows.Offsets[to]-start)
		}
		p.offsets = offsets
		piece := row.Batch{Schema: rows.Schema, Data: rows.Data[start:end], Offsets: offsets, Unset: rows.Unset}
		if rows.Ops != nil {
			piece.Ops = rows.Ops[from:to]
		}
		if err := p.put(g, &piece); err != nil {
			return err
		}
	}
	return nil
}

// put adds a piece.
func (p *partitioned) put(g *group, rows *row.Batch) error {
	d := p.d
	for {
		if g.segment != nil && !slices.Equal(g.segment.layout, d.layout) {
			if err := p.finish(g); err != nil {
				return err
			}
		}
		if g.segment == nil {
			s, err := d.part.create(d.layout, g.values)
			if err != nil {
				return err
			}
			s.folder, g.segment = g.folder, s
			p.open = g
		}
		err := g.segment.whole.Write(rows)
		if err == nil {
			g.segment.rows += int64(rows.Len())
			return nil
		}
		var misfit Misfit
		if !errors.As(err, &misfit) || !d.widen(misfit.Column) {
			return err
		}
		if s := g.segment; s.rows == 0 {
			p.shut(g)
			d.part.segments = slices.DeleteFunc(d.part.segments, func(other *segment) bool { return other == s })
			if err := d.part.discard(s); err != nil {
				return err
			}
		}
	}
}

func (p *partitioned) finish(g *group) error {
	s := g.segment
	p.shut(g)
	return s.finish()
}

// shut forgets the group's file.
func (p *partitioned) shut(g *group) {
	g.segment, p.open = nil, nil
}

// drain completes the files of all partitions, the open one first.
func (p *partitioned) drain() error {
	list := p.order
	if p.open != nil {
		list = append([]*group{p.open}, slices.DeleteFunc(slices.Clone(p.order), func(g *group) bool { return g == p.open })...)
	}
	for _, g := range list {
		err := p.spill.each(g.spilled, p.rest, func(rows *row.Batch) error { return p.write(g, rows) })
		if err == nil && g.rows.Len() > 0 {
			err = p.write(g, &g.rows)
		}
		if err == nil && g.segment != nil {
			err = p.finish(g)
		}
		if err != nil {
			return p.d.l.s.dir.full(err)
		}
	}
	return p.drop()
}

// drop forgets all rows.
func (p *partitioned) drop() error {
	clear(p.groups)
	p.order, p.open, p.pending = nil, nil, 0
	return p.spill.drop(p.d.l.s.dir)
}

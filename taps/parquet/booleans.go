package parquet

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// chunk is a column of a row group, page by page.
type chunk interface {
	// next is the values of the next page; io.EOF ends the chunk.
	next() (parquet.ValueReader, error)
	seek(row int64) error
	Close() error
}

// pages is a chunk as the library reads it. Values point into a page, so it is
// left to the garbage collector.
type pages struct{ parquet.Pages }

func (p pages) next() (parquet.ValueReader, error) {
	page, err := p.ReadPage()
	if err != nil {
		return nil, err
	}
	return page.Values(), nil
}

func (p pages) seek(row int64) error { return p.SeekToRow(row) }

// booleans is a chunk of booleans, read here because the library (v0.32)
// takes a run of the RLE encoding, which other writers use in version 2 pages,
// for an eighth of it. The format's "Encodings" and "Data Pages" are the source.
type booleans struct {
	in     *bufio.Reader
	header *thrift.Decoder
	meta   *format.ColumnMetaData
	column *parquet.Column
	left   int64 // values that are still to come
	skip   int64 // rows
	values []parquet.Value
}

func (f *file) booleans(group int, column *parquet.Column) (chunk, error) {
	meta := &f.in.Metadata().RowGroups[group].Columns[column.Index()].MetaData
	start := meta.DataPageOffset
	if at := meta.DictionaryPageOffset; at > 0 && at < start {
		start = at
	}
	if meta.TotalCompressedSize < 0 || start < 0 || start+meta.TotalCompressedSize > f.bytes.Size {
		return nil, errors.New("a column lies outside of the file")
	}
	in := bufio.NewReaderSize(io.NewSectionReader(f.bytes, start, meta.TotalCompressedSize), 64<<10)
	protocol := thrift.CompactProtocol{}
	return &booleans{in: in, header: thrift.NewDecoder(protocol.NewReader(in)), meta: meta, column: column, left: meta.NumValues}, nil
}

func (b *booleans) seek(row int64) error { b.skip = row; return nil }
func (b *booleans) Close() error         { return nil }

func (b *booleans) next() (parquet.ValueReader, error) {
	for b.left > 0 {
		var h format.PageHeader
		if err := b.header.Decode(&h); err != nil {
			return nil, fmt.Errorf("a page's header: %w", err)
		}
		if h.CompressedPageSize < 0 || int64(h.CompressedPageSize) > b.meta.TotalCompressedSize {
			return nil, fmt.Errorf("a page of %d bytes", h.CompressedPageSize)
		}
		raw := make([]byte, h.CompressedPageSize)
		if _, err := io.ReadFull(b.in, raw); err != nil {
			return nil, err
		}
		if err := b.page(&h, raw); err != nil {
			return nil, err
		}
		if len(b.values) > 0 {
			return &valueList{b.values}, nil
		}
	}
	return nil, io.EOF
}

// page makes a page's values.
func (b *booleans) page(h *format.PageHeader, raw []byte) (err error) {
	b.values = b.values[:0]
	maxRep, maxDef := b.column.MaxRepetitionLevel(), b.column.MaxDefinitionLevel()
	var reps, defs, data []byte
	var encoding format.Encoding
	n := 0
	switch h.Type {
	case format.DataPage:
		v1 := h.DataPageHeader.V
		n, encoding = int(v1.NumValues), v1.Encoding
		if data, err = b.plain(raw); err != nil {
			return err
		}
		if reps, data, err = prefixed(data, maxRep > 0); err != nil {
			return err
		}
		if defs, data, err = prefixed(data, maxDef > 0); err != nil {
			return err
		}
	case format.DataPageV2:
		v2 := h.DataPageHeaderV2.V
		n, encoding = int(v2.NumValues), v2.Encoding
		r, d := int(v2.RepetitionLevelsByteLength), int(v2.DefinitionLevelsByteLength)
		if r < 0 || d < 0 || r+d > len(raw) {
			return io.ErrUnexpectedEOF
		}
		reps, defs, data = raw[:r], raw[r:r+d], raw[r+d:]
		if !v2.IsCompressed.Valid || v2.IsCompressed.V {
			if data, err = b.plain(data); err != nil {
				return err
			}
		}
	default:
		return nil // of no values
	}
	if n < 0 || int64(n) > b.left {
		return fmt.Errorf("a page of %d values, where %d are left", n, b.left)
	}
	b.left -= int64(n)
	rep, err := levels(reps, maxRep, n)
	if err != nil {
		return err
	}
	def, err := levels(defs, maxDef, n)
	if err != nil {
		return err
	}
	there := 0
	for _, d := range def {
		if int(d) == maxDef {
			there++
		}
	}
	var set []byte
	switch encoding {
	case format.Plain:
		set, err = bitsOf(data, there)
	case format.RLE:
		if data, _, err = prefixed(data, true); err == nil {
			set, err = hybrid(data, 1, there)
		}
	default:
		err = fmt.Errorf("booleans in the encoding %s", encoding)
	}
	if err != nil {
		return err
	}
	for i, at := 0, 0; i < n; i++ {
		var v parquet.Value
		if int(def[i]) == maxDef {
			v = parquet.BooleanValue(set[at] != 0)
			at++
		}
		if rep[i] == 0 && b.skip >= 0 {
			b.skip--
		}
		if b.skip < 0 {
			b.values = append(b.values, v.Level(int(rep[i]), int(def[i]), b.column.Index()))
		}
	}
	return nil
}

// plain decompresses.
func (b *booleans) plain(raw []byte) ([]byte, error) {
	if b.meta.Codec == format.Uncompressed || len(raw) == 0 {
		return raw, nil
	}
	return parquet.LookupCompressionCodec(b.meta.Codec).Decode(nil, raw)
}

// prefixed cuts off bytes with their length before them, if there are any.
func prefixed(data []byte, any bool) (first, rest []byte, err error) {
	if !any {
		return nil, data, nil
	}
	if len(data) < 4 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := binary.LittleEndian.Uint32(data)
	if uint64(n) > uint64(len(data)-4) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return data[4 : 4+n], data[4+n:], nil
}

// levels are n levels of at most top.
func levels(data []byte, top, n int) ([]byte, error) {
	if top == 0 {
		return make([]byte, n), nil
	}
	return hybrid(data, bits.Len(uint(top)), n)
}

// bitsOf are n bits, a byte each.
func bitsOf(data []byte, n int) ([]byte, error) {
	if len(data)*8 < n {
		return nil, io.ErrUnexpectedEOF
	}
	out := make([]byte, n)
	for i := range out {
		out[i] = data[i/8] >> (i % 8) & 1
	}
	return out, nil
}

// hybrid reads n numbers of width bits (8 at most) from runs and groups of
// packed bits ("RLE/Bit-Packing Hybrid").
func hybrid(data []byte, width, n int) ([]byte, error) {
	if width > 8 {
		return nil, fmt.Errorf("levels of %d bits", width)
	}
	out := make([]byte, 0, n)
	for len(out) < n {
		header, size := binary.Uvarint(data)
		if size <= 0 {
			return nil, io.ErrUnexpectedEOF
		}
		data = data[size:]
		if header&1 == 0 {
			if len(data) == 0 {
				return nil, io.ErrUnexpectedEOF
			}
			for range min(header>>1, uint64(n-len(out))) {
				out = append(out, data[0])
			}
			data = data[1:]
			continue
		}
		if header>>1 > uint64(len(data)) { // each group of eight has a byte at least
			return nil, io.ErrUnexpectedEOF
		}
		count := int(header>>1) * 8
		for i := 0; i < count && len(out) < n; i++ {
			var v byte
			for k := range width {
				at := i*width + k
				if at/8 >= len(data) {
					return nil, io.ErrUnexpectedEOF
				}
				v |= data[at/8] >> (at % 8) & 1 << k
			}
			out = append(out, v)
		}
		data = data[min(len(data), count*width/8):]
	}
	return out, nil
}

// valueList is a parquet.ValueReader.
type valueList struct{ values []parquet.Value }

func (l *valueList) ReadValues(into []parquet.Value) (int, error) {
	n := copy(into, l.values)
	if l.values = l.values[n:]; len(l.values) == 0 {
		return n, io.EOF
	}
	return n, nil
}

package wire

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// inflater unpacks compressed events.
type inflater struct {
	out  bytes.Buffer
	zstd *zstd.Decoder
}

const maxInflated = 1 << 30

// maria unpacks MariaDB's compressed events: a byte with the size of the
// length in its low bits, the length, zlib.
func (f *inflater) maria(p []byte) ([]byte, error) {
	if len(p) < 1 || p[0]>>4&7 != 0 {
		return nil, errors.New("it is compressed in an unknown way")
	}
	n := int(p[0] & 7)
	if n > 4 || len(p) < 1+n {
		return nil, errShort
	}
	size := big(p[1 : 1+n])
	r, err := zlib.NewReader(bytes.NewReader(p[1+n:]))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	f.out.Reset()
	if _, err := f.out.ReadFrom(io.LimitReader(r, maxInflated)); err != nil {
		return nil, err
	}
	if uint64(f.out.Len()) != size {
		return nil, errors.New("it is compressed and has another size than it says")
	}
	return f.out.Bytes(), nil
}

// payload unpacks MySQL's compressed transactions: fields of type, length and
// value, then events one after another.
func (f *inflater) payload(p []byte) ([]byte, error) {
	method, size := uint64(0), uint64(0)
	for {
		kind, _, n := lenenc(p)
		if n == 0 {
			return nil, errShort
		}
		if p = p[n:]; kind == 0 {
			break
		}
		length, _, n := lenenc(p)
		if n == 0 || uint64(len(p)-n) < length {
			return nil, errShort
		}
		value, _, _ := lenenc(p[n:])
		switch kind {
		case 2:
			method = value
		case 3:
			size = value
		}
		p = p[n+int(length):]
	}
	if size > maxInflated {
		return nil, errors.New("a compressed transaction of more than 1 GB")
	}
	out := append([]byte(nil), p...) // not compressed
	if method == 0 {
		if f.zstd == nil {
			var err error
			if f.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated)); err != nil {
				return nil, err
			}
		}
		var err error
		if out, err = f.zstd.DecodeAll(p, nil); err != nil {
			return nil, err
		}
	}
	for rest := out; len(rest) > 0; { // whole events only
		if len(rest) < eventHead || little(rest[9:13]) < eventHead || little(rest[9:13]) > uint64(len(rest)) {
			return nil, errShort
		}
		rest = rest[little(rest[9:13]):]
	}
	return out, nil
}

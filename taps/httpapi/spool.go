package httpapi

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Spool keeps records in a file without a name until it is known whether they
// may be sent.
type Spool struct {
	file *os.File
	out  *bufio.Writer
}

// NewSpool makes an empty spool; Close it.
func NewSpool() (*Spool, error) {
	f, err := os.CreateTemp("", "elt-spool-*")
	if err != nil {
		return nil, fmt.Errorf("keep records: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil { // gone with its descriptor
		return nil, errors.Join(err, f.Close())
	}
	return &Spool{f, bufio.NewWriterSize(f, 64<<10)}, nil
}

// Add keeps a record with its place and the members that are added to it.
func (s *Spool) Add(place string, record, more []byte) error {
	for _, part := range [][]byte{[]byte(place), record, more} {
		var size [binary.MaxVarintLen64]byte
		_, err := s.out.Write(size[:binary.PutUvarint(size[:], uint64(len(part)))])
		if err == nil {
			_, err = s.out.Write(part)
		}
		if err != nil {
			return fmt.Errorf("keep records: %w", err)
		}
	}
	return nil
}

// Each calls visit with all that is kept, in order, and forgets it.
func (s *Spool) Each(visit func(place string, record, more []byte) error) error {
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("keep records: %w", err)
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(s.file, 64<<10)
	var parts [3][]byte
	for {
		for i := range parts {
			size, err := binary.ReadUvarint(in)
			if errors.Is(err, io.EOF) && i == 0 {
				return s.Forget()
			}
			if err == nil {
				parts[i] = append(parts[i][:0], make([]byte, size)...)
				_, err = io.ReadFull(in, parts[i])
			}
			if err != nil {
				return fmt.Errorf("read kept records: %w", err)
			}
		}
		if err := visit(string(parts[0]), parts[1], parts[2]); err != nil {
			return err
		}
	}
}

// Forget empties the spool.
func (s *Spool) Forget() error {
	s.out.Reset(s.file)
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.file.Truncate(0)
}

// Close gives the file back.
func (s *Spool) Close() error { return s.file.Close() }

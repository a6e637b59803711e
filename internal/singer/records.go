package singer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"elt/internal/fault"
)

// Records reads bare records, one JSON object per line, as rows of one
// stream: schema is its JSON Schema, file its name for messages, skip how many
// records to pass over. Rows go to h as in Run, which is then not used.
func (r *Reader) Records(ctx context.Context, in io.Reader, h Handler, stream string, schema json.RawMessage, keys []string, file string, skip int64) error {
	if keys == nil {
		keys = []string{}
	}
	announce, err := json.Marshal(map[string]any{"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": keys})
	if err != nil {
		return err
	}
	r.h = h
	r.tick = time.NewTicker(tickTime)
	defer r.tick.Stop()
	defer r.release()
	if err := r.message(ctx, announce); err != nil {
		return err
	}
	trouble := func(err error) error { return fmt.Errorf("read %s: %w", file, err) }
	if err := r.records(ctx, r.streams[stream], in, file, skip, trouble); err != nil {
		return err
	}
	return r.handOverAll(ctx)
}

// records reads a file of bare records; trouble dresses errors of reading.
func (r *Reader) records(ctx context.Context, s *stream, in io.Reader, file string, skip int64, trouble func(error) error) error {
	lines := newFrames(in)
	defer func() { lines.close(); <-lines.done }()
	defer func() { r.batch = batchPlace{} }()
	r.batch.file = file
	for {
		line, _, err := lines.next(ctx, r.tick.C)
		switch {
		case err == errIdle:
			if err := r.idle(ctx); err != nil {
				return err
			}
			continue
		case err == io.EOF:
			return nil
		case ctx.Err() != nil:
			return err
		case err != nil:
			return trouble(err)
		}
		r.batch.line++
		i := space(line, 0)
		if i == len(line) {
			continue
		}
		r.batch.record++
		if skip > 0 {
			skip--
			continue
		}
		end, err := s.record(ctx, line, i)
		if err == nil {
			if err = trailing(line, end); err != nil {
				s.batch.Drop()
			}
		}
		if err == nil {
			err = s.close(ctx)
		} else {
			err = s.problem(line, err)
		}
		if err != nil {
			return err
		}
	}
}

// EachMember calls visit with each member of a JSON object, in order. The
// error of a broken object is a *fault.Error that shows none of its values.
func EachMember(object []byte, visit func(key string, value []byte) error) error {
	return shown(object, members(object, func(key []byte, from, to int) error { return visit(string(key), object[from:to]) }))
}

// Members is EachMember whose keys are valid during the call only.
func Members(object []byte, visit func(key, value []byte) error) error {
	return shown(object, members(object, func(key []byte, from, to int) error { return visit(key, object[from:to]) }))
}

// EachElement calls visit with each element of a JSON array, in order; its
// errors are those of EachMember.
func EachElement(array []byte, visit func(value []byte) error) error {
	return shown(array, elements(array, func(from, to int) error { return visit(array[from:to]) }))
}

func shown(raw []byte, err error) error {
	if err == nil {
		return nil
	}
	var f *flaw
	if errors.As(err, &f) {
		return fault.New(fault.BadInput, "%s at byte %d: %s", f.text, f.at+1, excerpt(raw, f.at)).WithKind(fault.KindShape).WithHint("the text breaks off there, or is not the JSON that was expected")
	}
	return err
}

package filesink

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"elt/internal/row"
	"elt/targets"
)

// lane is a sequence of commits with hidden files of its own.
type lane struct {
	s       *Sink
	loaders []*loader
	rejects *part
}

func (l *lane) Stream(_ context.Context, schema *row.Schema) (targets.Loader, error) {
	file := l.s.o.File(schema.Stream)
	if err := l.s.own(schema.Stream, file); err != nil {
		return nil, err
	}
	d := &loader{l: l, stream: schema.Stream, file: file, part: &part{d: l.s.dir, format: l.s.o.Format, compress: l.s.o.Compress, whole: l.s.o.Whole}}
	if !l.s.o.Replace && l.s.o.Whole == nil && l.s.bucket == nil {
		if err := d.readLayout(); err != nil {
			return nil, err
		}
	}
	if err := d.shape(schema); err != nil {
		return nil, err
	}
	l.loaders = append(l.loaders, d)
	return d, nil
}

// rejectsFile takes records that could not be loaded, one JSON object per line.
const rejectsFile = "_elt_rejects.jsonl"

// Reject implements targets.Rejecter.
func (l *lane) Reject(_ context.Context, r targets.Reject) error {
	if l.rejects == nil {
		l.rejects = &part{d: l.s.dir, format: Headless{}}
	}
	if err := l.rejects.open(nil); err != nil {
		return err
	}
	line, err := json.Marshal(struct {
		Stream string    `json:"stream"`
		Reason string    `json:"reason"`
		At     time.Time `json:"rejected_at"`
		Record string    `json:"record"` // as text: it may be no JSON
	}{r.Stream, r.Reason, time.Now().UTC(), string(r.Record)})
	if err != nil {
		return err
	}
	l.rejects.rows++
	l.rejects.buf = append(append(l.rejects.buf, line...), '\n')
	return nil
}

func (l *lane) Commit(ctx context.Context, c targets.Commit) error {
	var list []publication
	replaces := map[string]bool{}
	for _, d := range l.loaders {
		p, ok, err := d.publication(ctx)
		if err != nil {
			return err
		}
		if ok {
			p.replace = p.replace && !replaces[p.file]
			replaces[p.file] = true
			list = append(list, p)
		}
	}
	if l.rejects != nil && l.rejects.rows > 0 {
		list = append(list, publication{file: rejectsFile, part: l.rejects})
	}
	if err := l.s.commit(ctx, list, c); err != nil {
		return err
	}
	l.s.published(list)
	l.loaders = slices.DeleteFunc(l.loaders, func(d *loader) bool { return d.ended })
	var errs []error
	for _, p := range list {
		errs = append(errs, p.part.drop())
	}
	return errors.Join(errs...)
}

func (l *lane) Close() error {
	var errs []error
	for _, d := range l.loaders {
		if d.parted != nil {
			errs = append(errs, d.parted.drop())
		}
		errs = append(errs, d.part.drop())
	}
	if l.rejects != nil {
		errs = append(errs, l.rejects.drop())
	}
	l.loaders, l.rejects = nil, nil
	return errors.Join(errs...)
}

package singer

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"elt/internal/fault"

	"github.com/klauspost/compress/gzip"
)

// files reads the files of a BATCH message: records one per line, in the
// order of the manifest.
func (r *Reader) files(ctx context.Context, s *stream, line []byte, m *envelope) error {
	encoding, _ := parseObject(m.encoding)
	format, compression := jsonText(encoding.get("format")), jsonText(encoding.get("compression"))
	if !strings.EqualFold(format, "jsonl") {
		return fault.New(fault.BadInput, "%s, stream %q: a BATCH of format %q cannot be read", r.place(), s.name, format).
			WithHint("set batch_config.encoding.format of the tap to jsonl, or leave batch_config out")
	}
	zipped := strings.EqualFold(compression, "gzip")
	if !zipped && compression != "" && !strings.EqualFold(compression, "none") {
		return fault.New(fault.BadInput, "%s, stream %q: a BATCH compressed by %q cannot be read", r.place(), s.name, compression).
			WithHint("set batch_config.encoding.compression of the tap to gzip or none")
	}
	t := tail{}
	t.version, _ = versionOf(m.version)
	s.time(&t, m.extracted)
	if m.manifest == nil {
		return r.fail(s.name, line, &flaw{text: "a BATCH without a manifest"})
	}
	for _, entry := range list(m.manifest) {
		s.tail = t
		if err := r.file(ctx, s, jsonText(entry), zipped); err != nil {
			return err
		}
	}
	return nil
}

// path is the file that a manifest entry means: file:///absolute,
// file://relative (so written by the Meltano SDK's own samples) or a path.
func path(entry string) (string, error) {
	scheme, rest, found := strings.Cut(entry, "://")
	if !found {
		return entry, nil
	}
	if !strings.EqualFold(scheme, "file") {
		return "", fmt.Errorf("only files can be read, not %s://", scheme)
	}
	if _, err := os.Stat(rest); err != nil {
		if plain, err := url.PathUnescape(rest); err == nil {
			rest = plain
		}
		if _, err := os.Stat(rest); err != nil {
			if host, absolute, ok := strings.Cut(rest, "/"); ok && host == "localhost" {
				rest = "/" + absolute
			}
		}
	}
	return rest, nil
}

func (r *Reader) file(ctx context.Context, s *stream, entry string, zipped bool) (err error) {
	trouble := func(err error) error {
		return fault.Wrap(fault.BadInput, err, "%s, stream %q: read the BATCH file %s", r.place(), s.name, entry)
	}
	name, err := path(entry)
	if err != nil {
		return trouble(err)
	}
	f, err := os.Open(name)
	if err != nil {
		return trouble(err)
	}
	defer f.Close()
	var in io.Reader = f
	if zipped {
		z, err := gzip.NewReader(f)
		if err != nil {
			return trouble(err)
		}
		defer z.Close()
		in = z
	}
	return r.records(ctx, s, in, name, 0, trouble)
}

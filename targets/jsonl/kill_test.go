package jsonl

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"elt/internal/filesink"
	"elt/internal/load"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
)

const last = 20000 // the counter's last row

// counter is a tap of the numbers up to last, with exact positions and no key.
type counter struct{}

func (counter) Spec() spec.Spec { return spec.Spec{Name: "tap-counter"} }
func (counter) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	return &singer.Catalog{}, nil
}

func (counter) Sync(ctx context.Context, _ spec.Config, _ *singer.Catalog, marks singer.Bookmarks, out taps.Output) error {
	n, _ := strconv.ParseInt(string(marks.Stream("n")), 10, 64)
	s := &row.Schema{Stream: "n", Columns: []row.Column{{Name: "n", Kind: row.Int64, Wire: row.WireInt8}}}
	st, err := out.Stream(ctx, s)
	if err != nil {
		return err
	}
	defer st.Close()
	for n < last {
		b := &row.Batch{Schema: s}
		for range min(100, last-n) {
			n++
			b.Begin()
			b.Int8(n)
			b.End()
		}
		if err := st.Write(b); err != nil {
			return err
		}
		if err := st.Position(taps.Position{Stream: "n", Value: strconv.AppendInt(nil, n, 10), Exact: true, Rows: n}); err != nil {
			return err
		}
	}
	return st.End()
}

// TestChild is the process that gets killed; it does nothing by itself.
func TestChild(t *testing.T) {
	dir := os.Getenv("ELT_TEST_CHILD")
	if dir == "" {
		t.Skip("started by TestKilledByTheSystem only")
	}
	cfg, _, err := New().Spec().Resolve([]byte(`{"destination_path":"` + dir + `","batch_size_rows":500,"compression":"` + os.Getenv("ELT_TEST_COMPRESSION") + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	err = load.Fuse(t.Context(), load.Fused{Tap: counter{}, Target: New(), TargetConfig: cfg},
		load.IO{Out: os.Stdout, Err: os.Stderr}, []string{load.EnvClaim + "=" + filepath.Join(dir, "claim.json")})
	if err != nil {
		t.Fatal(err)
	}
}

// SIGKILL after some acknowledgement, again and again, then one run to its
// end: every keyless row is there exactly once, and acknowledged ones stay.
func TestKilledByTheSystem(t *testing.T) {
	for compression, kills := range map[filesink.Compression]int{filesink.None: 12, filesink.Gzip: 6, filesink.Zstd: 6} {
		t.Run(string(compression), func(t *testing.T) { killed(t, compression, kills) })
	}
}

func killed(t *testing.T, compression filesink.Compression, kills int) {
	t.Setenv("ELT_TEST_COMPRESSION", string(compression))
	dir := t.TempDir()
	raw, _ := json.Marshal(load.ClaimRequest{StateID: "dev:n"})
	if err := os.WriteFile(filepath.Join(dir, "claim.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for kill := range kills {
		acked := child(t, dir, rand.IntN(5))
		if got := int64(strings.Count(content(t, dir, compression), "\n")); got < acked {
			t.Fatalf("kill %d: %d rows were acknowledged, %d are there", kill, acked, got)
		}
	}
	child(t, dir, -1)
	var want strings.Builder
	for n := 1; n <= last; n++ {
		fmt.Fprintf(&want, "{\"n\":%d}\n", n)
	}
	if got := content(t, dir, compression); got != want.String() {
		t.Errorf("%d lines, want the numbers up to %d once each", strings.Count(got, "\n"), last)
	}
	if got := files(t, dir); strings.Contains(got, ".elt-part") {
		t.Errorf("left behind: %s", got)
	}
}

// content is the file's text; a member that the kill cut short counts as far
// as it reads, since nothing has been taken back yet.
func content(t *testing.T, dir string, c filesink.Compression) string {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "n.jsonl"+c.Suffix()))
	if os.IsNotExist(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	switch c {
	case filesink.Gzip:
		in, err = gzip.NewReader(f)
	case filesink.Zstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(f)
		defer z.Close()
		in = z
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(in)
	if err != nil && (c == filesink.None || !errors.Is(err, io.ErrUnexpectedEOF)) {
		t.Fatal(err)
	}
	return string(raw)
}

// child runs a process and kills it once it has printed some STATE lines more
// (-1: never). It returns the newest acknowledged row.
func child(t *testing.T, dir string, states int) (acked int64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), "ELT_TEST_CHILD="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); {
		var state struct {
			Bookmarks struct{ N int64 }
		}
		if json.Unmarshal(lines.Bytes(), &state) == nil && state.Bookmarks.N > 0 {
			acked = state.Bookmarks.N
			seen++
		}
		if seen > states && states >= 0 {
			cmd.Process.Kill()
			break
		}
	}
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); err != nil && states < 0 {
		t.Fatal(err)
	}
	return acked
}

package bench

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/load"
	"elt/internal/pgtest"
	"elt/internal/singer"
	tappostgres "elt/taps/postgres"
	targetpostgres "elt/targets/postgres"
)

// A run that finds nothing new is all start-up. What it asks of the server is
// counted, since time says little on a busy machine.
func TestRunWithoutChanges(t *testing.T) {
	at := pgtest.URL(t)
	exec(t, at, "create schema src; create table src.orders (id bigint primary key, name text); insert into src.orders select g, 'x' from generate_series(1, 100) g")
	traffic, through := pgtest.Count(t, at)
	claim := filepath.Join(t.TempDir(), "claim.json")
	var bookmark json.RawMessage
	run := func(epoch int64) (connections, trips int) {
		t.Helper()
		request, err := json.Marshal(load.ClaimRequest{StateID: "s", RunID: "r", Epoch: epoch, Bookmarks: bookmark, HadDestination: epoch > 0})
		if err == nil {
			err = os.WriteFile(claim, request, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		connections, trips = traffic.Connections(), traffic.Trips()
		bookmark = discovering(t, load.Fused{
			Tap: tappostgres.New(), TapConfig: settings(t, tappostgres.New().Spec(), connection(through, map[string]any{"filter_schemas": []string{"src"}})),
			Target: targetpostgres.New(), TargetConfig: settings(t, targetpostgres.New().Spec(), connection(through, map[string]any{"default_target_schema": "raw"})),
		}, claim)
		return traffic.Connections() - connections, traffic.Trips() - trips
	}
	run(0)
	connections, trips := run(1)
	// The tap: log-in, discovery, what it may not read, the tables again, who else writes, the
	// snapshot, who writes then, the rows. The target: log-in, claim (two), table, the row of the bookmark
	// staged, merged, committed.
	if connections != 2 || trips != 15 {
		t.Errorf("%d connections, not 2; %d round trips, not 15", connections, trips)
	}
	if !strings.Contains(string(bookmark), `"replication_key_value":100`) {
		t.Errorf("bookmark %s", bookmark)
	}
}

// discovering runs a pair as the runner does: it says what it finds, is handed
// the catalog, claims, and acknowledges. The last STATE is returned.
func discovering(t *testing.T, f load.Fused, claim string) (state json.RawMessage) {
	t.Helper()
	f.Discover = true
	in, hand := io.Pipe()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := load.Fuse(t.Context(), f, load.IO{In: in, Out: out, Err: io.Discard}, []string{load.EnvClaim + "=" + claim})
		out.CloseWithError(io.EOF)
		in.CloseWithError(io.ErrClosedPipe)
		ended <- err
	}()
	lines := bufio.NewScanner(said)
	lines.Buffer(nil, 1<<20)
	for n := 0; lines.Scan(); n++ {
		switch found, ok := strings.CutPrefix(lines.Text(), load.CatalogLine); {
		case n == 0 && !ok:
			t.Fatalf("its first line is no catalog: %s", lines.Text())
		case n == 0:
			c, err := singer.ParseCatalog([]byte(found))
			if err != nil {
				t.Fatal(err)
			}
			for _, cs := range c.Streams {
				cs.SetMeta("selected", true)
				cs.SetMeta("replication-method", singer.Incremental)
				cs.SetMeta("replication-key", "id")
			}
			text, _ := c.Print()
			hand.Write(text)
			hand.Close()
		case n > 1: // after the claim
			state = json.RawMessage(lines.Text())
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return state
}

package snowflake

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"elt/targets/targettest"
)

// fakesnow is somebody else's Snowflake, tried when ELT_TEST_FAKESNOW says
// where it listens. What it cannot do is left out by name.
func TestFakesnow(t *testing.T) {
	address := os.Getenv("ELT_TEST_FAKESNOW")
	if address == "" {
		t.Skip(`ELT_TEST_FAKESNOW=host:port is not set: pip install "fakesnow[server]==0.12.1" "snowflake-connector-python<5"; fakesnow -s -p 12345`)
	}
	host, port, err := net.SplitHostPort(address)
	must(t, err)
	n, err := strconv.Atoi(port)
	must(t, err)
	const (
		clocks   = "fakesnow reads a NULL instant back as 1970, drops zones and digits"
		integers = "fakesnow's integers end at int64"
		empty    = "fakesnow takes a quoted empty field for NULL"
		locks    = "fakesnow cannot MERGE within a transaction"
		swaps    = "fakesnow has no SWAP WITH"
		keeps    = "fakesnow parses no such JSON, or gives numbers back through double"
	)
	judge(t, map[string]any{
		"account": "testacct", "user": "ELT", "password": "canary-password", "database": "ELT_DB", "warehouse": "WH",
		"host": host, "port": n, "protocol": "http", "compression": "gzip",
	}, map[string]string{
		"claim": locks, "versions": locks, "merge/overwrite": swaps, "merge/overwrite with a schema change on the way": swaps,
		"merge/overwrite that breaks leaves the old rows": swaps,
		"merge/key changes on the way":                    locks, "schema/columns appear": locks, "schema/the same one again": locks,
		"types/empty string": empty, "merge/composite key with falsy parts": empty,
		"types/integer beyond int64": integers, "types/date-time with zone": clocks,
		"types/object": keeps, "types/array": keeps, "types/object of unknown shape": keeps, "types/anyOf object or string": keeps,
		"messages/a stream's odd name":         keeps,
		"messages/empty lines and a long line": "fakesnow reads no line of more than 2 MB",
		"merge/absent: keep":                   "fakesnow loses columns of a MERGE's source that stand in a CASE",
		"schema/freeze":                        locks, "state/the three lines of the SDK's test": locks,
		"schema/integer becomes a number, then a string": "Snowflake changes no type but in length",
	})
}

// A real account, when the environment names one; never part of what runs by
// itself.
func TestRealAccount(t *testing.T) {
	config := map[string]any{}
	for _, name := range []string{"account", "user", "private_key", "token", "password", "database", "warehouse", "role"} {
		if v := os.Getenv("ELT_TEST_SNOWFLAKE_" + strings.ToUpper(name)); v != "" {
			config[name] = v
		}
	}
	if config["account"] == nil {
		t.Skip("ELT_TEST_SNOWFLAKE_ACCOUNT, _USER, _PRIVATE_KEY (or _TOKEN, _PASSWORD), _DATABASE, _WAREHOUSE and _ROLE are not set")
	}
	judge(t, config, map[string]string{"schema/integer becomes a number, then a string": "Snowflake changes no type but in length"})
}

// judge runs the suite of all targets, each case in a schema of its own.
func judge(t *testing.T, config map[string]any, skip map[string]string) {
	session := func(t testing.TB) (*sink, *session) {
		raw := map[string]any{}
		for k, v := range config {
			raw[k] = v
		}
		if raw["password"] == nil {
			raw["password"] = nil
		}
		set, err := settled(t, raw)
		must(t, err)
		s, err := open(context.Background(), set)
		must(t, err)
		c, err := s.take(context.Background())
		must(t, err)
		t.Cleanup(func() { c.close(); s.Abort() })
		return s, c
	}
	targettest.Run(t, targettest.Subject{
		Target: New(), Skip: skip, Rename: strings.ToUpper,
		Config: func(t testing.TB) map[string]any {
			var id [4]byte
			_, _ = rand.Read(id[:])
			schema := "ELT_TEST_" + strings.ToUpper(hex.EncodeToString(id[:]))
			_, c := session(t)
			_, err := c.exec(context.Background(), "CREATE SCHEMA "+schema)
			must(t, err)
			t.Cleanup(func() { _, _ = c.exec(context.Background(), "DROP SCHEMA IF EXISTS "+schema+" CASCADE") })
			own := map[string]any{"temp_dir": t.TempDir(), "default_target_schema": schema, "schema": schema}
			for k, v := range config {
				own[k] = v
			}
			return own
		},
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			_, c := session(t)
			got, err := c.query(context.Background(), `SELECT * FROM "`+config["schema"].(string)+`"."`+strings.ToUpper(conform(stream))+`"`)
			if missing(err) {
				return nil
			}
			must(t, err)
			out := []targettest.Row{}
			for _, line := range got {
				row := targettest.Row{}
				for name, value := range line {
					if row[name] = nil; value != "" {
						row[name] = &value
					}
				}
				out = append(out, row)
			}
			return out
		},
	})
}

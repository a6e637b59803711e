package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"elt/taps/postgres"
)

// With use_secondary the replica is read, and nothing is asked of the primary.
func TestSecondary(t *testing.T) {
	w := newWorld(t)
	w.exec("create table t (id int primary key); insert into t values (7)")
	replica := fmt.Sprintf(`{"host": "127.0.0.1", "port": 1, "use_secondary": true, "secondary_host": %q, "secondary_port": %d}`, w.cfg["host"], w.cfg["port"])
	if got := w.mustSync(nil, "", replica).streams["public-t"]; got == nil || len(got.rows) != 1 {
		t.Errorf("%+v", got)
	}
	if _, err := postgres.New().Discover(context.Background(), w.config(`{"use_secondary": true}`)); err == nil || !strings.Contains(err.Error(), "needs secondary_host and secondary_port") {
		t.Error(err)
	}
}

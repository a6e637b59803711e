package postgres

import (
	"context"
	"strings"
	"testing"

	"elt/internal/fault"
)

// What stands in the way of a load is named, with the setting or the grant
// that it takes.
func TestTrouble(t *testing.T) {
	d := newDB(t)
	d.load(nil, orders, []any{1, "a"})
	role := strings.Replace(d.rows("select current_database()"), "elt", "loader", 1)
	d.exec("create role " + role + " login; grant usage, create on schema raw to " + role + "; grant create on database " + d.rows("select current_database()") + " to " + role)
	t.Cleanup(func() { d.exec("drop owned by " + role + "; drop role " + role) })
	try := func(set map[string]any) error {
		sink, err := open(set)
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Abort()
		l, err := sink.Lane(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ld, err := l.Stream(context.Background(), orders)
		if err == nil {
			err = ld.Write(context.Background(), batch(orders, []any{1, "b"}))
		}
		if err == nil {
			err = l.Commit(context.Background(), at(`{"v":1}`))
		}
		return err
	}
	set := func(more ...any) map[string]any {
		all := map[string]any{"sqlalchemy_url": d.url, "default_target_schema": "raw", "add_record_metadata": false}
		for i := 0; i < len(more); i += 2 {
			all[more[i].(string)] = more[i+1]
		}
		return all
	}
	for _, c := range []struct {
		name, before, after string
		set                 map[string]any
		says, hint          string
	}{
		{"another's table", "", "", set("sqlalchemy_url", strings.Replace(d.url, "elt@", role+"@", 1)), "permission denied for table orders", "insert, update and delete"},
		{"a lock", "begin; lock table raw.orders", "rollback", set("lock_timeout", 1), "lock timeout", "raise lock_timeout"},
		{"a slow merge", "create function raw.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(30); return new; end $$; create trigger slow before insert on raw.orders for each row execute function raw.slow()",
			"drop trigger slow on raw.orders", set("statement_timeout", 1), "statement timeout", "raise it, or lower batch_size_bytes"},
	} {
		if c.before != "" {
			d.exec(c.before)
		}
		err := try(c.set)
		if c.after != "" {
			d.exec(c.after)
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), `stream "orders"`) || !strings.Contains(fault.Advice(err), c.hint) {
			t.Errorf("%s: %v (%s)", c.name, err, fault.Advice(err))
		}
	}
	if err := try(set()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

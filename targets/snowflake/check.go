package snowflake

import (
	"context"
	"fmt"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/spec"
	"elt/internal/sqltarget"
)

// Check implements targets.Checker. It takes no warehouse but for the last
// check, and leaves nothing behind.
func (target) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	var set *settings
	if !report.Do(ctx, "settings", func(context.Context) (_ string, err error) {
		if set, err = decode(cfg); err != nil {
			return "", err
		}
		_, err = set.config()
		return "account " + set.Account + " at " + set.endpoint(), err
	}) {
		return
	}
	set.Retry = 0
	var s *sink
	if !report.Do(ctx, "login", func(ctx context.Context) (_ string, err error) {
		s, err = open(ctx, set)
		return "", err
	}) {
		return
	}
	defer s.Abort()
	c, err := s.take(ctx)
	if err != nil {
		report.Add("login", "", err)
		return
	}
	defer c.close()
	if !report.Do(ctx, "permission", func(ctx context.Context) (string, error) {
		home := s.set.home()
		n, err := s.namespace(ctx, c, home)
		if err != nil {
			return "", err
		}
		if !n.exists {
			return "", fault.New(fault.BadConfig, "schema %s does not exist, or role %s may not use it", home, set.roleName()).WithKind(fault.KindPath).
				WithHint("a run creates it where the role has CREATE SCHEMA on database %s", set.Database)
		}
		lane := newLane(s, c)
		if err := lane.stage(ctx); err != nil {
			return "", err
		}
		load := sqltarget.Qualify(home, "_ELT_CHECK_"+s.short)
		_, err = c.exec(ctx, "CREATE TEMPORARY TABLE "+load+` ("X" NUMBER(38,0))`)
		return fmt.Sprintf("%d tables in %s.%s", len(n.tables), set.Database, home), err
	}) {
		return
	}
	report.Do(ctx, "warehouse", func(ctx context.Context) (string, error) {
		_, err := c.exec(ctx, "INSERT INTO "+sqltarget.Qualify(s.set.home(), "_ELT_CHECK_"+s.short)+` ("X") VALUES (1)`)
		return set.Warehouse, err
	})
}

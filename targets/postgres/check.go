package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/internal/spec"
	"elt/internal/sqltarget"
)

// Check implements targets.Checker.
func (target) Check(ctx context.Context, cfg spec.Config, report *check.Report) {
	var set settings
	err := cfg.Decode(&set)
	if err == nil {
		err = set.check()
	}
	if err != nil {
		report.Add("settings", "", err)
		return
	}
	conn := set.Settings.Check(ctx, report)
	if conn == nil {
		return
	}
	defer func() {
		soon, cancel := shortly()
		defer cancel()
		conn.Close(soon)
	}()
	report.Do(ctx, "write", func(ctx context.Context) (string, error) {
		return "may create and fill tables in schema " + sqltarget.Quote(set.home()), set.rehearse(ctx, session{conn.PgConn()})
	})
}

// rehearse makes, in a transaction that is rolled back, what a run needs: the
// schema if it is missing, a table, a row, and the table of states.
func (s *settings) rehearse(ctx context.Context, c session) error {
	state := sqltarget.Qualify(s.home(), sqltarget.StateTable)
	who, err := c.query(ctx, "select quote_ident(current_database()), quote_ident(current_user)")
	if err != nil {
		return err
	}
	database, user := who[0][0], who[0][1]
	use := fmt.Sprintf("grant usage, create on schema %s to %s", sqltarget.Quote(s.home()), user)
	rows, err := c.query(ctx, "select to_regnamespace($1) is not null, to_regclass($2) is not null", sqltarget.Quote(s.home()), state)
	if err != nil {
		return barred(fmt.Errorf("use schema %s: %w", sqltarget.Quote(s.home()), err), use)
	}
	schemaThere, stateThere := rows[0][0] == "t", rows[0][1] == "t"
	defer func() {
		soon, cancel := shortly()
		defer cancel()
		c.exec(soon, "rollback")
	}()
	if err := c.exec(ctx, "begin"); err != nil {
		return err
	}
	if !schemaThere {
		if err := c.exec(ctx, "create schema "+sqltarget.Quote(s.home())); err != nil {
			return barred(fmt.Errorf("create schema %s: %w", sqltarget.Quote(s.home()), err),
				fmt.Sprintf("grant create on database %s to %s, or let an owner create the schema", database, user))
		}
	}
	table := sqltarget.Qualify(s.home(), "_elt_check_"+digest(num(micros())))
	if err := c.exec(ctx, "create table "+table+" (id int); insert into "+table+" values (1)"); err != nil {
		return barred(fmt.Errorf("create a table in schema %s: %w", sqltarget.Quote(s.home()), err), use)
	}
	if stateThere {
		if err := c.exec(ctx, "insert into "+state+" select * from "+state+" where false; update "+state+" set part = part where false; delete from "+state+" where false"); err != nil {
			return barred(fmt.Errorf("write %s: %w", state, err), "another role made it: let the same role load, or grant select, insert, update, delete on it")
		}
	}
	return nil
}

// barred gives err the hint where a privilege is what is missing.
func barred(err error, hint string) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return fault.Wrap(fault.Failed, err, "a privilege is missing").WithHint("%s", hint)
	}
	return err
}

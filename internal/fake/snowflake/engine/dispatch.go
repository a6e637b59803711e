package engine

import (
	"context"
	"strings"

	"elt/internal/fake/snowflake/sql"
)

// Statement type ids of the wire, as the driver knows them.
const (
	typeSelect   = 0x1000
	typeShow     = 0x1000
	typeInsert   = 0x3100
	typeUpdate   = 0x3200
	typeDelete   = 0x3300
	typeMerge    = 0x3400
	typeCopy     = 0x3600
	typeSession  = 0x4000
	typeTx       = 0x5000
	typeDDL      = 0x6000
	typeTransfer = 0x7000
)

// dispatch runs a statement.
func (s *Session) dispatch(ctx context.Context, do any) (*Result, error) {
	switch d := do.(type) {
	case *sql.Query:
		return s.selectQuery(ctx, d)
	case *sql.Insert:
		return s.dml(ctx, typeInsert, func(tx *transaction) (*Result, error) { return s.insert(ctx, tx, d) })
	case *sql.Update:
		return s.dml(ctx, typeUpdate, func(tx *transaction) (*Result, error) { return s.update(ctx, tx, d) })
	case *sql.Delete:
		return s.dml(ctx, typeDelete, func(tx *transaction) (*Result, error) { return s.delete(ctx, tx, d) })
	case *sql.Merge:
		return s.dml(ctx, typeMerge, func(tx *transaction) (*Result, error) { return s.merge(ctx, tx, d) })
	case *sql.Copy:
		return s.dml(ctx, typeCopy, func(tx *transaction) (*Result, error) { return s.copyInto(ctx, tx, d) })
	case *sql.Truncate:
		return s.dml(ctx, typeDDL, func(tx *transaction) (*Result, error) { return s.truncate(ctx, tx, d) })
	case *sql.Begin:
		if !s.explicit || s.tx == nil {
			s.tx, s.explicit = s.newTransaction(), true
		}
		return status(typeTx, "Statement executed successfully."), nil
	case *sql.Commit:
		s.end(true)
		return status(typeTx, "Statement executed successfully."), nil
	case *sql.Rollback:
		s.end(false)
		return status(typeTx, "Statement executed successfully."), nil
	case *sql.Use:
		return s.use(d)
	case *sql.AlterSession:
		return s.alterSession(d)
	case *sql.Show:
		return s.show(d)
	case *sql.Describe:
		return s.describe(d)
	case *sql.Put:
		return s.put(d)
	case *sql.List:
		return s.list(d)
	case *sql.Remove:
		return s.remove(d)
	case *sql.Get:
		return nil, sql.Unsupported("GET")
	case *sql.Explain:
		return nil, sql.Unsupported("EXPLAIN")
	case *sql.Alter:
		if d.What == "WAREHOUSE" {
			return s.alterWarehouse(d)
		}
	}
	// The rest is DDL, which commits what is open
	// (docs.snowflake.com/en/sql-reference/transactions, "DDL").
	s.end(true)
	switch d := do.(type) {
	case *sql.CreateTable:
		return s.createTable(ctx, d)
	case *sql.AlterTable:
		return s.alterTable(ctx, d)
	case *sql.Create:
		return s.create(d)
	case *sql.Drop:
		return s.drop(d)
	case *sql.Comment:
		return s.comment(d)
	case *sql.Alter:
		return s.alter(d)
	}
	return nil, sql.Unsupported("%T", do)
}

// end commits or rolls back what is open.
func (s *Session) end(commit bool) {
	if s.tx == nil {
		return
	}
	if commit {
		s.tx.commit()
	} else {
		s.tx.rollback()
	}
	s.tx, s.explicit = nil, false
}

// dml runs a statement in the open transaction, or in its own.
func (s *Session) dml(ctx context.Context, typ int64, f func(*transaction) (*Result, error)) (*Result, error) {
	if s.tx == nil {
		s.tx = s.newTransaction()
		s.explicit = !s.on("AUTOCOMMIT")
	}
	res, err := f(s.tx)
	if err == nil {
		err = ctx.Err() // cancelled at the last moment: undone too
	}
	if !s.explicit {
		s.end(err == nil)
	}
	if err != nil {
		return nil, err
	}
	if res.Type == 0 {
		res.Type = typ
	}
	return res, nil
}

// status is the one-column answer of DDL.
func status(typ int64, message string) *Result {
	return &Result{Columns: []OutColumn{{Name: "status", Type: textType, Nullable: true}}, Rows: []string{rowOf(text(message))}, Type: typ}
}

func rowOf(cells ...Value) string { return string(encodeRow(nil, cells)) }

// counts is the answer of DML.
func counts(typ int64, names []string, n ...int64) *Result {
	r := &Result{Type: typ}
	cells := make([]Value, len(n))
	for i := range n {
		r.Columns = append(r.Columns, OutColumn{Name: names[i], Type: integerType})
		cells[i] = integer(n[i])
		r.Changed += n[i]
	}
	r.Rows = []string{rowOf(cells...)}
	return r
}

func (s *Session) selectQuery(ctx context.Context, q *sql.Query) (*Result, error) {
	p, err := s.plan(q, nil, nil)
	if err != nil {
		return nil, err
	}
	rows, err := p.run(ctx, nil)
	if err != nil {
		return nil, err
	}
	for i := range p.cols {
		if p.cols[i].Type.K == Null {
			p.cols[i].Type = textType
		}
	}
	return &Result{Columns: p.cols, Rows: rows, Type: typeSelect}, nil
}

// needsWarehouse says whether real Snowflake runs a statement on a warehouse:
// DML, COPY, CREATE TABLE AS SELECT and queries over tables, stages and
// INFORMATION_SCHEMA do ("a warehouse must be running and currently in use to
// query the views", docs: Information Schema). DDL, SHOW, DESCRIBE, USE, PUT,
// LIST, REMOVE and transaction statements are the services layer's, as are
// SELECT without FROM, COUNT(*) of whole tables (answered from metadata), and
// SELECT * FROM TABLE(RESULT_SCAN(…)), which hands a kept result out again.
func (s *Session) needsWarehouse(do any) bool {
	switch d := do.(type) {
	case *sql.Insert, *sql.Update, *sql.Delete, *sql.Merge, *sql.Copy:
		return true
	case *sql.CreateTable:
		return d.As != nil
	case *sql.Query:
		return queryNeeds(d)
	}
	return false
}

func queryNeeds(q *sql.Query) bool {
	for _, w := range q.With {
		if queryNeeds(w.Query) {
			return true
		}
	}
	return bodyNeeds(q.Body, q.Order == nil && q.Limit == nil)
}

func bodyNeeds(body any, bare bool) bool {
	switch b := body.(type) {
	case *sql.Query:
		return queryNeeds(b)
	case *sql.SetOp:
		return bodyNeeds(b.L, false) || bodyNeeds(b.R, false)
	case *sql.Select:
		switch from := b.From.(type) {
		case nil:
			return false
		case *sql.FuncRef:
			_, star := b.Items[0].X.(*sql.Star)
			return !(from.Call.Name == "RESULT_SCAN" && star && bare && b.Where == nil)
		case *sql.TableRef:
			f, ok := b.Items[0].X.(*sql.Func)
			whole := ok && len(b.Items) == 1 && f.Star && f.Name == "COUNT" && b.Where == nil && b.Group == nil
			return !whole || strings.EqualFold(from.Name[max(0, len(from.Name)-2)], "INFORMATION_SCHEMA")
		}
		return true
	}
	return false
}

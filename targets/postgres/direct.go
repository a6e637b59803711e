package postgres

import "context"

// directly is the savepoint before a COPY straight into a keyed table. It is
// released with the next COPY: until then it is in nobody's way.
const directly = "elt_direct"

// fallBack brings in the rows of a COPY that the table refused because a key
// came twice: they are staged, to be merged, as all that follow are.
func (l *lane) fallBack(ctx context.Context, c *copying) error {
	ld, rows := c.loader, c.sent
	c.sent = nil // released by the second COPY
	ld.direct, l.saved = false, false
	err := l.exec(ctx, "rollback to savepoint "+directly+"; release savepoint "+directly)
	if err == nil {
		err = ld.makeStage(ctx)
	}
	for i, s := range rows {
		if err == nil {
			err = ld.copyBatch(ctx, s.batch)
		} else {
			rows[i].batch.Release()
		}
	}
	if err != nil {
		return err
	}
	return l.finishCopy(ctx)
}

package snowflake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"elt/targets"
)

// hiddenMark is in the name of tables that nobody is to read yet.
const hiddenMark = "__ELT_NEW_"

// hidden is the name of the table that an overwritten stream is gathered in,
// of which prefix tells the stream and the state id.
func (ld *loader) hidden() string {
	return fmt.Sprintf("%s_%d_%s", ld.prefix(), ld.sink.epoch, ld.sink.short)
}

func (ld *loader) prefix() string {
	name := []rune(ld.final.Name)
	sum := sha256.Sum256([]byte(ld.sink.stateID + "\x00" + ld.final.Name))
	return string(name[:min(len(name), 180)]) + hiddenMark + strings.ToUpper(hex.EncodeToString(sum[:4]))
}

// hide drops hidden tables that dead runs of this state id left; a run that
// was overtaken finds its own gone then, and can publish nothing.
func (ld *loader) hide(ctx context.Context) error {
	if !ld.overwrites() || ld.swept {
		return nil
	}
	ld.swept = true
	s, c := ld.sink, ld.lane.session
	n, err := s.namespace(ctx, c, ld.final.Schema)
	if err != nil {
		return err
	}
	prefix := ld.prefix()
	s.mu.Lock()
	var left []*table
	for name, t := range n.tables {
		if strings.HasPrefix(name, prefix) {
			left = append(left, t)
		}
	}
	s.mu.Unlock()
	for _, t := range left {
		if _, err := c.exec(ctx, "DROP TABLE IF EXISTS "+t.Ref()); err != nil {
			return err
		}
		s.forget(t)
	}
	return nil
}

// publish puts the hidden table in the place of the stream's. SWAP WITH is one
// transaction: readers see the old rows or the new ones.
func (ld *loader) publish(ctx context.Context) error {
	s, c := ld.sink, ld.lane.session
	if !ld.overwrites() {
		return nil
	}
	old, err := s.lookup(ctx, c, ld.final.Schema, ld.final.Name)
	if err != nil {
		return err
	}
	hidden := ld.at.Ref()
	s.forget(ld.at)
	placed := &table{Table: ld.at.Table}
	placed.Name = ld.final.Name
	if old == nil {
		if _, err := c.exec(ctx, "ALTER TABLE "+hidden+" RENAME TO "+ld.final.Ref()); err != nil {
			return err
		}
		s.changed(targets.Change{Stream: ld.schema.Stream, Kind: "create", Detail: ld.final.Ref()})
	} else {
		if _, err := c.exec(ctx, "ALTER TABLE "+ld.final.Ref()+" SWAP WITH "+hidden); err != nil {
			return err
		}
		if _, err := c.exec(ctx, "DROP TABLE IF EXISTS "+hidden); err != nil {
			return err
		}
	}
	s.remember(placed)
	return nil
}

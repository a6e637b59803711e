package wire

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// GTIDs are transactions by their global ids: MariaDB's as the last of each
// domain (domain-server-sequence), MySQL's as intervals per server.
type GTIDs struct {
	maria map[uint64]string
	mysql map[string][]interval
}

type interval struct{ from, to uint64 } // both inclusive

// ParseGTIDs reads what a server or a bookmark writes; "" is none.
func ParseGTIDs(text string) (g GTIDs, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == ' ' }) {
		if err := g.Add(part); err != nil {
			return GTIDs{}, err
		}
	}
	return g, nil
}

// Empty says that there is none.
func (g GTIDs) Empty() bool { return len(g.maria) == 0 && len(g.mysql) == 0 }

// MariaDB says that they are MariaDB's.
func (g GTIDs) MariaDB() bool { return len(g.maria) > 0 }

// Clone is a copy that changes apart from g.
func (g GTIDs) Clone() GTIDs {
	c := GTIDs{maps.Clone(g.maria), maps.Clone(g.mysql)}
	for server, list := range c.mysql {
		c.mysql[server] = slices.Clone(list)
	}
	return c
}

// Add adds a transaction, or one server's part of a set.
func (g *GTIDs) Add(text string) error {
	if server, list, ok := strings.Cut(text, ":"); ok {
		server = strings.ToLower(server)
		if raw, err := hex.DecodeString(strings.ReplaceAll(server, "-", "")); err != nil || len(raw) != 16 {
			return fmt.Errorf("%q is no GTID", text)
		}
		for _, part := range strings.Split(list, ":") {
			first, last, ranged := strings.Cut(part, "-")
			if !ranged {
				last = first
			}
			from, err := strconv.ParseUint(first, 10, 63)
			to, err2 := strconv.ParseUint(last, 10, 63)
			if err != nil || err2 != nil || from == 0 || from > to {
				return fmt.Errorf("%q is no GTID", text)
			}
			g.include(server, interval{from, to})
		}
		return nil
	}
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return fmt.Errorf("%q is no GTID", text)
	}
	var n [3]uint64
	for i, p := range parts {
		var err error
		if n[i], err = strconv.ParseUint(p, 10, 64); err != nil {
			return fmt.Errorf("%q is no GTID", text)
		}
	}
	if g.maria == nil {
		g.maria = map[uint64]string{}
	}
	g.maria[n[0]] = text
	return nil
}

func (g *GTIDs) include(server string, add interval) {
	if g.mysql == nil {
		g.mysql = map[string][]interval{}
	}
	var all []interval
	for _, have := range g.mysql[server] {
		if have.to+1 < add.from || add.to+1 < have.from {
			all = append(all, have)
		} else {
			add = interval{min(have.from, add.from), max(have.to, add.to)}
		}
	}
	all = append(all, add)
	slices.SortFunc(all, func(a, b interval) int { return int(min(a.from, 1<<62)) - int(min(b.from, 1<<62)) })
	g.mysql[server] = all
}

// String is how a server writes them.
func (g GTIDs) String() string {
	var parts []string
	for _, domain := range slices.Sorted(maps.Keys(g.maria)) {
		parts = append(parts, g.maria[domain])
	}
	for _, server := range slices.Sorted(maps.Keys(g.mysql)) {
		text := server
		for _, i := range g.mysql[server] {
			text += ":" + strconv.FormatUint(i.from, 10)
			if i.to > i.from {
				text += "-" + strconv.FormatUint(i.to, 10)
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

// encode is MySQL's set as COM_BINLOG_DUMP_GTID takes it.
func (g GTIDs) encode() []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(g.mysql)))
	for _, server := range slices.Sorted(maps.Keys(g.mysql)) {
		raw, _ := hex.DecodeString(strings.ReplaceAll(server, "-", "")) // it was checked
		out = append(out, raw...)
		out = binary.LittleEndian.AppendUint64(out, uint64(len(g.mysql[server])))
		for _, i := range g.mysql[server] {
			out = binary.LittleEndian.AppendUint64(out, i.from)
			out = binary.LittleEndian.AppendUint64(out, i.to+1)
		}
	}
	return out
}

func mysqlGTID(server []byte, n uint64) string {
	h := hex.EncodeToString(server)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:] + ":" + strconv.FormatUint(n, 10)
}

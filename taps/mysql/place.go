package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"elt/internal/fault"
	"elt/taps/mysql/wire"
)

// source is what LOG_BASED streams have to know of the server.
type source struct {
	maria   bool
	image   string     // binlog_row_image: which columns of a row are in the log
	partial bool       // of JSON values, only what changed may be
	end     wire.Place // of the binlog when the run began: there every stream ends
}

// source looks whether the binlog can be read, and how long it is.
func (s *session) source(ctx context.Context, set settings) (*source, error) {
	version, err := s.query(ctx, "select version()")
	facts := map[string]string{}
	if err == nil {
		var rows [][]string
		rows, err = s.query(ctx, "show global variables where variable_name in ('log_bin', 'server_id', 'binlog_format', 'binlog_row_image', 'binlog_row_value_options', 'gtid_mode')")
		for _, r := range rows {
			facts[strings.ToLower(r[0])] = strings.ToUpper(r[1])
		}
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "tap-mysql: the server's settings cannot be read")
	}
	out := &source{maria: strings.Contains(strings.ToLower(version[0][0]), "mariadb"), image: facts["binlog_row_image"], partial: facts["binlog_row_value_options"] == "PARTIAL_JSON"}
	if set.Engine != "" {
		out.maria = strings.EqualFold(set.Engine, "mariadb")
	}
	refuse := func(format string, args ...any) *fault.Error {
		return fault.New(fault.BadConfig, "tap-mysql: %s", fmt.Sprintf(format, args...))
	}
	switch {
	case facts["log_bin"] != "ON" && facts["log_bin"] != "1":
		return nil, refuse("LOG_BASED needs the binlog, and log_bin is off at the server").
			WithHint("start the server with log_bin, server_id and binlog_format = ROW")
	case facts["binlog_format"] != "ROW":
		return nil, refuse("LOG_BASED needs binlog_format = ROW, and the server has %s", facts["binlog_format"]).
			WithHint("set global binlog_format = 'ROW', and in the server's configuration; sessions that are open keep theirs")
	case facts["server_id"] == "0":
		return nil, refuse("LOG_BASED needs a server_id at the server, which has none and sends its binlog to nobody").
			WithHint("set global server_id = 1, and in the server's configuration")
	case set.GTID && !out.maria && facts["gtid_mode"] != "ON":
		return nil, refuse("use_gtid needs gtid_mode = ON at the server").
			WithHint("switch it on there, or set use_gtid: false to go by file and position")
	}
	out.end, err = s.place(ctx, out.maria)
	return out, err
}

// writes says why the binlog does not hold enough of a table.
func (s *source) writes(rel *relation) error {
	isJSON := func(a attribute) bool { return strings.EqualFold(a.sqlType, "json") }
	switch {
	case s.image != "" && s.image != "FULL" && len(rel.key) == 0:
		return fault.New(fault.BadConfig, "the server's binlog_row_image is %s, and %s has no primary key to ask by for the columns that are left out", s.image, rel.table()).
			WithHint("set global binlog_row_image = 'FULL', give the table a primary key, or set the stream's replication-method to FULL_TABLE")
	case s.partial && slices.ContainsFunc(rel.columns, isJSON):
		return fault.New(fault.BadConfig, "the server's binlog_row_value_options is PARTIAL_JSON: its binlog holds parts only of the JSON of %s", rel.table()).
			WithHint("set global binlog_row_value_options = '', and in the server's configuration")
	}
	return nil
}

// place is where the binlog ends.
func (s *session) place(ctx context.Context, maria bool) (p wire.Place, err error) {
	rows, err := s.query(ctx, "show master status")
	if err != nil && !maria { // MySQL 8.4 calls it so
		rows, err = s.query(ctx, "show binary log status")
	}
	if err != nil {
		return p, s.withheld(err, "REPLICATION CLIENT", "BINLOG MONITOR")
	}
	if len(rows) == 0 {
		return p, fault.New(fault.BadConfig, "tap-mysql: the server says nothing of its binlog").WithHint("is log_bin on?")
	}
	p.File = rows[0][0]
	if p.Pos, err = strconv.ParseUint(rows[0][1], 10, 64); err != nil {
		return p, fmt.Errorf("the server's position %q is no number", rows[0][1])
	}
	if maria {
		err = s.gtid(ctx, &p)
	} else if len(rows[0]) > 4 {
		p.GTID, err = wire.ParseGTIDs(rows[0][4])
	}
	return p, err
}

// gtid asks MariaDB which GTIDs belong to a place.
func (s *session) gtid(ctx context.Context, p *wire.Place) error {
	rows, err := s.query(ctx, "select binlog_gtid_pos(?, ?)", p.File, strconv.FormatUint(p.Pos, 10))
	if err == nil {
		p.GTID, err = wire.ParseGTIDs(rows[0][0])
	}
	return err
}

// freeze begins the snapshot that a table is read in, and returns the place of
// the binlog that belongs to it. MariaDB knows it; elsewhere it is asked for
// before, and what was changed in between comes again, which a key makes good.
func (s *session) freeze(ctx context.Context, maria bool) (p wire.Place, exact bool, err error) {
	if !maria {
		if p, err = s.place(ctx, false); err == nil {
			err = s.exec(ctx, snapshot)
		}
		return p, false, err
	}
	if err := s.exec(ctx, snapshot); err != nil {
		return p, false, err
	}
	rows, err := s.query(ctx, "select variable_value from information_schema.session_status where variable_name in ('BINLOG_SNAPSHOT_FILE', 'BINLOG_SNAPSHOT_POSITION') order by variable_name")
	if err != nil {
		return p, false, err
	}
	if len(rows) != 2 || rows[0][0] == "" {
		return p, false, fault.New(fault.Failed, "tap-mysql: MariaDB does not say which place of the binlog belongs to its snapshot")
	}
	p.File = rows[0][0]
	if p.Pos, err = strconv.ParseUint(rows[1][0], 10, 64); err != nil {
		return p, false, fmt.Errorf("the server's position %q is no number", rows[1][0])
	}
	return p, true, s.gtid(ctx, &p)
}

// withheld explains a missing privilege.
func (s *session) withheld(err error, mysqlName, mariaName string) error {
	return fault.Wrap(fault.Failed, err, "tap-mysql: the binlog may not be read").WithKind(fault.KindPermission).
		WithHint("grant REPLICATION SLAVE, %s (MariaDB: %s) on *.* to the user that the tap logs in as", mysqlName, mariaName)
}

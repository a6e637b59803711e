package snowflake

import (
	"strings"
	"testing"

	fake "elt/internal/fake/snowflake"
	"elt/targets/targettest"
)

// at is the settings that lead to a fake service.
func at(srv *fake.Server) map[string]any {
	return map[string]any{
		"account": fake.Account, "user": fake.UserName, "password": fake.Password, "role": fake.Role,
		"warehouse": fake.Warehouse, "database": fake.Database, "default_target_schema": "raw",
		"host": srv.Host(), "port": srv.PortNumber(), "protocol": "http",
	}
}

// rows are those of a table, by column; nil when there is no such table.
func rows(t testing.TB, srv *fake.Server, table string) []targettest.Row {
	t.Helper()
	names, cells, err := srv.Query(`SELECT * FROM RAW."` + strings.ReplaceAll(table, `"`, `""`) + `"`)
	if err != nil {
		if strings.Contains(err.Error(), "does not exist") {
			return nil
		}
		t.Fatal(err)
	}
	out := []targettest.Row{}
	for _, line := range cells {
		row := targettest.Row{}
		for i, name := range names {
			if row[name] = nil; line[i] != nil {
				text := line[i].(string)
				row[name] = &text
			}
		}
		out = append(out, row)
	}
	return out
}

func TestTarget(t *testing.T) {
	servers := map[string]*fake.Server{}
	const inPlace = "Snowflake changes no type but in length; TestTypesThatCannotChange shows the column beside it"
	targettest.Run(t, targettest.Subject{
		Target: New(),
		Config: func(t testing.TB) map[string]any {
			srv := fake.Start(t)
			config := at(srv)
			servers[srv.Host()+srv.Port()] = srv
			config["temp_dir"] = t.TempDir()
			t.Cleanup(func() {
				var all []string
				for _, s := range srv.Statements() {
					all = append(all, s.SQL)
				}
				valid(t, all)
			})
			return config
		},
		Rows: func(t testing.TB, config map[string]any, stream string) []targettest.Row {
			var srv *fake.Server
			for _, s := range servers {
				if s.PortNumber() == config["port"] {
					srv = s
				}
			}
			return rows(t, srv, strings.ToUpper(conform(stream)))
		},
		Rename: strings.ToUpper,
		Skip:   map[string]string{"schema/integer becomes a number, then a string": inPlace},
	})
}

package sqlite

import (
	"testing"

	"github.com/mattn/go-sqlite3"
)

func TestBindLinks(t *testing.T) {
	c, err := (&sqlite3.SQLiteDriver{}).Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn := c.(*sqlite3.SQLiteConn)
	if _, err := conn.Exec("create table t (a, b)", nil); err != nil {
		t.Fatal(err)
	}
	s, err := prepare(conn, "insert into t values (?1, ?2)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.run(nil, []byte{0, 3, 2, 0, 0, 0, 'h', 'i', 0, 0}, 2, 2); err != nil {
		t.Fatal(err)
	}
	s.close()
}

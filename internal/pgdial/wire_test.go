package pgdial_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"elt/internal/pgdial"
)

// Rows of every size come whole, in order, and the connection is as good as new afterwards.
func TestCopyOut(t *testing.T) {
	c, err := server(t).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	sizes := "(values (1), (0), (127*1024), (128*1024 - 6), (128*1024), (9000), (5000000), (2), (300000), (100)) v(n)"
	for range 2 {
		var got []int
		err = pgdial.CopyOut(t.Context(), c, "copy (select repeat('x', n) from "+sizes+") to stdout", func(p []byte) error {
			if p[len(p)-1] != '\n' || bytes.Count(p, []byte("x")) != len(p)-1 {
				t.Errorf("a row of %d bytes is torn", len(p))
			}
			got = append(got, len(p)-1)
			return nil
		})
		if want := "[1 0 130048 131066 131072 9000 5000000 2 300000 100]"; err != nil || fmt.Sprint(got) != want {
			t.Fatalf("%v, %v", got, err)
		}
		var sum int
		if err := c.QueryRow(t.Context(), "select sum(i) from generate_series(1, 1000) i").Scan(&sum); err != nil || sum != 500500 {
			t.Fatal(sum, err)
		}
	}
	if err := pgdial.CopyOut(t.Context(), c, "copy (select 1/(3-i) from generate_series(1, 5) i) to stdout", func([]byte) error { return nil }); err == nil {
		t.Error("the server's error was lost")
	}
	stop := errors.New("enough")
	rows := 0
	err = pgdial.CopyOut(t.Context(), c, "copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout", func([]byte) error {
		if rows++; rows == 10 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || rows != 10 || !c.IsClosed() {
		t.Errorf("%v after %d rows, closed: %v", err, rows, c.IsClosed())
	}
}

// A connection that breaks in a row says so, wherever it breaks.
func TestCopyOutBreaks(t *testing.T) {
	stream, _ := (&pgproto3.CopyOutResponse{}).Encode(nil)
	answer := len(stream)
	stream, _ = (&pgproto3.CopyData{Data: []byte("one row")}).Encode(stream)
	stream, _ = (&pgproto3.CopyData{Data: []byte("another")}).Encode(stream)
	for n := answer; n <= len(stream); n++ {
		s, served := silentServer(t, stream[:n])
		c, err := s.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		err = pgdial.CopyOut(t.Context(), c, "copy t to stdout", func([]byte) error { rows++; return nil })
		if err == nil || rows != (n-answer)/12 {
			t.Errorf("%d bytes: %d rows, %v", n, rows, err)
		}
		<-served
	}
}

// silentServer lets anybody in, answers every statement, and the COPY with answer, then hangs up.
func silentServer(t *testing.T, answer []byte) (pgdial.Settings, chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		l.Close()
		if err != nil {
			return
		}
		defer conn.Close()
		be := pgproto3.NewBackend(conn, conn)
		if _, err := be.ReceiveStartupMessage(); err != nil {
			return
		}
		be.Send(&pgproto3.AuthenticationOk{})
		be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if be.Flush() != nil {
			return
		}
		for {
			msg, err := be.Receive()
			q, ok := msg.(*pgproto3.Query)
			if err != nil || !ok {
				return
			}
			if len(q.String) > 4 && q.String[:4] == "copy" {
				conn.Write(answer)
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
				return
			}
			be.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
			be.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
			if be.Flush() != nil {
				return
			}
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	return pgdial.Settings{URL: fmt.Sprintf("postgresql://u@127.0.0.1:%d/d?sslmode=disable", port)}, served
}

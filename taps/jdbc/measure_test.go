package jdbc_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/jdbc"
)

// TestMeasureSync times the tap alone, Java and all, into an output that
// drops every batch: ELT_MEASURE_JDBC=200000 go test -run MeasureSync -v
func TestMeasureSync(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("ELT_MEASURE_JDBC"))
	if err != nil {
		t.Skip("ELT_MEASURE_JDBC names no number of rows")
	}
	for name, open := range map[string]func() database{"hsqldb": func() database { return hsqldb(t) }, "postgresql": func() database { return postgresql(t) }, "mariadb": func() database { return mariadb(t) }} {
		t.Run(name, func(t *testing.T) {
			d := open()
			switch d.driver {
			case "hsqldb":
				d.exec(t, fmt.Sprintf("create cached table t (id bigint primary key, changed timestamp, total decimal(12,2));; insert into t (select n, timestamp '2024-01-01 00:00:00' + n second, n * 1.25 from unnest(sequence_array(1, %d, 1)) as s(n))", n))
			case "postgresql":
				d.exec(t, fmt.Sprintf("create table t (id bigint primary key, changed timestamp, total decimal(12,2));; insert into t select n, timestamp '2024-01-01' + n * interval '1 second', n * 1.25 from generate_series(1, %d) n", n))
			default:
				d.exec(t, fmt.Sprintf("create table t (id bigint primary key, changed datetime, total decimal(12,2));; insert into t select seq, '2024-01-01' + interval seq second, seq * 1.25 from seq_1_to_%d", n))
			}
			cfg := config(t, d.settings(t, map[string]any{"tables": []string{"t"}}))
			c := catalog(t, d.settings(t, map[string]any{"tables": []string{"t"}}))
			before, start := used(), time.Now()
			out := &nowhere{}
			if err := jdbc.New().Sync(context.Background(), cfg, c, singer.Bookmarks{}, out); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d rows, %d KiB, wall %s, CPU of both processes %s; Java had %s, we %s resident at most",
				out.rows, out.bytes>>10, time.Since(start).Round(time.Millisecond), (used() - before).Round(time.Millisecond), out.java, peak("self"))
		})
	}
}

// used is the CPU time of this process and of its reaped children.
func used() time.Duration {
	var sum int64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		syscall.Getrusage(who, &u)
		sum += u.Utime.Nano() + u.Stime.Nano()
	}
	return time.Duration(sum)
}

// peak is the VmHWM of a process.
func peak(pid string) string {
	status, _ := os.ReadFile("/proc/" + pid + "/status")
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// nowhere is an Output and a Stream that drops everything.
type nowhere struct {
	rows, bytes int64
	java        string
}

func (n *nowhere) Parallel() int                                            { return 1 }
func (n *nowhere) Acked() <-chan taps.Position                              { return nil }
func (n *nowhere) Stream(context.Context, *row.Schema) (taps.Stream, error) { return n, nil }
func (n *nowhere) Schema(*row.Schema) error                                 { return nil }
func (n *nowhere) Position(taps.Position) error {
	for _, pid := range children(os.Getpid()) {
		if name(pid) == "java" {
			n.java = peak(strconv.Itoa(pid))
		}
	}
	return nil
}
func (n *nowhere) Activate(int64) error { return nil }
func (n *nowhere) End() error           { return nil }
func (n *nowhere) Close() error         { return nil }
func (n *nowhere) Write(b *row.Batch) error {
	n.rows += int64(b.Len())
	n.bytes += int64(len(b.Data))
	b.Release()
	return nil
}

//go:build linux

// Shapes times elt on data of other shapes than TPC-H's lineitem: wide rows,
// nested JSON, many tiny tables, upserts, rows that have not changed, and on
// lineitem by other routes and at four times the size.
//
//	go run ./bench/shapes -elt ./elt -rows 1000000
//
// Each group of routes follows its floor, what the database's own client needs
// for the same rows. Every table that comes out is compared with its source.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "shapes:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var b bench
	var names string
	flag.StringVar(&b.elt, "elt", "./elt", "the program to measure")
	flag.StringVar(&b.url, "postgres", "", "a server where the database elt_shapes may be made anew (default: $ELT_BENCH_POSTGRES, then that of the bench folder)")
	flag.IntVar(&b.rows, "rows", 1_000_000, "rows of lineitem and of the keyed table; other shapes have a part of them")
	flag.IntVar(&b.runs, "runs", 3, "runs of each route; the median counts")
	flag.StringVar(&names, "shapes", "", "which, with commas: "+strings.Join(shapeNames(), ", ")+" (default: all but slope)")
	flag.Parse()
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	if b.elt, err = filepath.Abs(b.elt); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "elt-shapes"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.connect(ctx); err != nil {
		return err
	}
	defer b.db.Close(context.WithoutCancel(ctx))
	var version string
	if err := b.db.QueryRow(ctx, "show server_version").Scan(&version); err != nil {
		return err
	}
	fmt.Printf("%s, %d cores, PostgreSQL %s, %d rows, median of %d\n\n", time.Now().UTC().Format("2006-01-02 15:04"), runtime.NumCPU(), version, b.rows, b.runs)
	fmt.Println("| shape | route | rows | wall s | x floor | rows/s | client CPU-s | rows per CPU-s | largest process MB | parity |")
	fmt.Println("|---|---|--:|--:|--:|--:|--:|--:|--:|---|")
	wrong := 0
	for _, s := range chosen {
		n, err := b.shape(ctx, s)
		if err != nil {
			return fmt.Errorf("shape %s: %w", s.name, err)
		}
		wrong += n
	}
	if wrong > 0 {
		return fmt.Errorf("%d routes did not deliver what their source has", wrong)
	}
	return nil
}

// bench is where everything is.
type bench struct {
	elt, url, dir string
	rows, runs    int
	db            *pgx.Conn
}

func choose(names string) ([]shape, error) {
	var out []shape
	for _, s := range shapes {
		if names == "" && s.name != "slope" || slices.Contains(strings.Split(names, ","), s.name) {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no shape %q; they are %s", names, strings.Join(shapeNames(), ", "))
	}
	return out, nil
}

func shapeNames() (names []string) {
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

// shape runs the routes of one shape and prints a line for each; wrong is how
// many delivered something else.
func (b *bench) shape(ctx context.Context, s shape) (wrong int, err error) {
	for _, size := range s.sizes {
		n := int(float64(b.rows)*size) + s.fixed
		t := table{bench: b, shape: s, rows: n}
		if err := t.make(ctx); err != nil {
			return wrong, err
		}
		var floors []cost
		for _, r := range s.routes {
			costs, parity, err := t.route(ctx, r)
			if err != nil {
				return wrong, fmt.Errorf("%s: %w", r.name, err)
			}
			if r.floor {
				floors = costs
			}
			if !strings.HasPrefix(parity, "ok") && parity != "-" {
				wrong++
			}
			print(s.name, r.name, t.total(), median(costs), floors, parity)
		}
		if err := t.drop(ctx); err != nil {
			return wrong, err
		}
	}
	return wrong, nil
}

func print(shape, route string, rows int, c cost, floors []cost, parity string) {
	against := ""
	if len(floors) > 0 {
		against = fmt.Sprintf("%.2f", c.wall/median(floors).wall)
	}
	speed, thrift := "", ""
	if rows > 0 {
		speed, thrift = fmt.Sprintf("%.0f", float64(rows)/c.wall), fmt.Sprintf("%.0f", float64(rows)/max(c.cpu, 0.001))
	}
	fmt.Printf("| %s | %s | %d | %.2f | %s | %s | %.2f | %s | %.0f | %s |\n", shape, route, rows, c.wall, against, speed, c.cpu, thrift, c.peak, parity)
}

// median has each figure's median.
func median(costs []cost) cost {
	of := func(figure func(cost) float64) float64 {
		var all []float64
		for _, c := range costs {
			all = append(all, figure(c))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return cost{of(func(c cost) float64 { return c.wall }), of(func(c cost) float64 { return c.cpu }), of(func(c cost) float64 { return c.peak })}
}

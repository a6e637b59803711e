package cli

import (
	"testing"

	"github.com/spf13/cobra"

	"elt/internal/fault"
)

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_345_678: "12.3 MB", 5_000_000_000_000_000_000: "5000.0 PB"} {
		if got := byteCount(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
	for s, want := range map[float64]string{0.04: "0.0 s", 59.94: "59.9 s", 61: "1 min 01 s", 7260: "2 h 01 min"} {
		if got := seconds(s); got != want {
			t.Errorf("%v is %q", s, got)
		}
	}
	if got := shorten("häßlich", 5); got != "häßl…" {
		t.Error(got)
	}
}

func TestTable(t *testing.T) {
	io, out, _ := Test("")
	table := Table{Header: []string{"name", "n"}}
	if table.Print(io.Out); out.Len() != 0 {
		t.Errorf("an empty table prints %q", out)
	}
	table.Add("a\nb", 12)
	table.Print(io.Out)
	if got := out.String(); got != "NAME  N\na b   12\n" {
		t.Errorf("%q", got)
	}
}

func TestFlagsFromEnviron(t *testing.T) {
	app := &App{Environ: []string{"FORCE=no", "FORCE=yes", "SUFFIX=x", "BAD=perhaps", "EMPTY="}}
	command := func() (*cobra.Command, *bool, *string) {
		cmd := &cobra.Command{Use: "x"}
		return cmd, cmd.Flags().Bool("force", false, ""), cmd.Flags().String("suffix", "", "")
	}
	cmd, force, suffix := command()
	if err := app.FlagsFromEnviron(cmd, map[string]string{"force": "FORCE", "suffix": "SUFFIX"}); err != nil || !*force || *suffix != "x" {
		t.Errorf("%v %v %q", err, *force, *suffix)
	}
	cmd, _, suffix = command()
	cmd.ParseFlags([]string{"--suffix=typed"})
	if err := app.FlagsFromEnviron(cmd, map[string]string{"force": "EMPTY", "suffix": "SUFFIX"}); err != nil || *suffix != "typed" {
		t.Errorf("a variable stands above a flag: %v %q", err, *suffix)
	}
	cmd, _, _ = command()
	if err := app.FlagsFromEnviron(cmd, map[string]string{"force": "BAD"}); fault.CodeOf(err) != fault.Usage {
		t.Error(err)
	}
}

func TestSettingsOfElt(t *testing.T) {
	t.Setenv("ELT_CONFIG", t.TempDir()+"/nosuch.yaml")
	t.Setenv("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "postgresql://airflow")
	t.Setenv("MELTANO_CLI_LOG_LEVEL", "debug")
	t.Setenv("ELT_LEASE_TTL", "90")
	s, err := ReadSettings()
	if err != nil {
		t.Fatal(err)
	}
	s.Set("log_format", "json")
	if s.String("database_uri") != "postgresql://airflow" || s.String("log_level") != "debug" || s.String("log_format") != "json" || s.Int("keep_runs") != 100 {
		t.Error("layers are wrong")
	}
	if d, err := s.Duration("lease_ttl"); err != nil || d.Seconds() != 90 {
		t.Error(d, err)
	}
	t.Setenv("MELTANO_DATABASE_URI", "postgresql://meltano")
	if s, _ = ReadSettings(); s.String("database_uri") != "postgresql://meltano" {
		t.Error("Meltano's name stands above Airflow's")
	}
	t.Setenv("ELT_LEASE_TTL", "soon")
	s, _ = ReadSettings()
	if _, err := s.Duration("lease_ttl"); fault.CodeOf(err) != fault.Usage {
		t.Error(err)
	}
}

package filesink

import (
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"elt/internal/fault"
	"elt/internal/strftime"
)

// Naming makes file names out of a user's template, folders included.
type Naming struct {
	Target   string // for messages: "target-csv"
	Scheme   string // "raw/{stream}/{yyyy}/{mm}/{dd}/{stream}_{timestamp}.jsonl"
	Compress Compression
	Now      time.Time // of the run, in the zone that names tell
	// Datestamp and Timestamp are formats as in strftime.
	Datestamp, Timestamp string
}

// SchemeHelp lists what a template may hold, for the help of a setting.
const SchemeHelp = "{stream} (or {stream_name}), {yyyy}, {mm}, {dd}, {hh}, {datestamp} and {timestamp}, the time being that of the run's start; folders are made"

var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{[^{}]*\}`) })

// File is the file of a stream; dated says that names change from run to run.
func (n Naming) File() (file func(stream string) string, dated bool, err error) {
	scheme, suffix := n.Scheme, n.Compress.Suffix()
	for _, c := range []Compression{Gzip, Zstd} {
		if c != n.Compress && strings.HasSuffix(scheme, c.Suffix()) {
			return nil, false, fault.New(fault.BadConfig, "%s: files are named %s, but are not compressed so", n.Target, scheme).
				WithHint("compression: %s does what the name says", c)
		}
	}
	if !strings.HasSuffix(scheme, suffix) {
		scheme += suffix
	}
	stamps := map[string]string{
		"{yyyy}":      n.Now.Format("2006"),
		"{mm}":        n.Now.Format("01"),
		"{dd}":        n.Now.Format("02"),
		"{hh}":        n.Now.Format("15"),
		"{datestamp}": strftime.Format(n.Datestamp, n.Now),
		"{timestamp}": strftime.Format(n.Timestamp, n.Now),
	}
	for _, hole := range placeholder().FindAllString(scheme, -1) {
		if stamp, known := stamps[hole]; known {
			scheme, dated = strings.ReplaceAll(scheme, hole, stamp), true
		} else if hole != "{stream}" && hole != "{stream_name}" {
			return nil, false, fault.New(fault.BadConfig, "%s: file_naming_scheme has an unknown %s", n.Target, hole).
				WithHint("known are %s", SchemeHelp)
		}
	}
	if !filepath.IsLocal(strings.ReplaceAll(scheme, "{", "_")) {
		return nil, false, fault.New(fault.BadConfig, "%s: file_naming_scheme %q leads out of the destination directory", n.Target, n.Scheme)
	}
	return func(stream string) string {
		name := Name(stream)
		return strings.NewReplacer("{stream}", name, "{stream_name}", name).Replace(scheme)
	}, dated, nil
}

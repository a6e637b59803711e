package domo

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
)

//go:embed columns.tsv
var columns string

// ExplorerName is the name of EdCast's largest dataset without the number of
// its organisation.
const ExplorerName = "Glue_ Groups [G][3] Group Performance Data Explorer"

// Explorer is that dataset with all its columns and so many rows: several
// have the same Time, one of five is a full double of the one before, and
// texts hold quotes, commas and new lines. Row n lies n*90/5 seconds after the
// start of December 2021.
func Explorer(rows int) *Dataset {
	d := &Dataset{ID: "b1c2-explorer", Name: "300121_" + ExplorerName}
	for line := range strings.Lines(columns) {
		if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "#") {
			part := strings.Split(line, "\t")
			d.Columns = append(d.Columns, [2]string{part[0], part[1]})
		}
	}
	for n := range rows {
		d.Rows = append(d.Rows, ExplorerRow(n))
	}
	return d
}

// ExplorerRow is row n of Explorer.
func ExplorerRow(n int) []string {
	own := map[string]string{
		"ECL ID":     fmt.Sprintf("ecl-%d", n-n%5/4), // each fifth like the one before
		"Time":       time.Date(2021, 12, 1, 0, 0, n/5*90, 0, time.UTC).Format("2006-01-02T15:04:05"),
		"Group Name": "All",
		"Card Title": "Say \"hello\",\nworld",
		"Group ID":   []string{"", "7"}[n/5%2],
	}
	var row []string
	for line := range strings.Lines(columns) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "#") {
			continue
		}
		part := strings.Split(line, "\t")
		if text, ok := own[part[0]]; ok {
			part[2] = text
		}
		row = append(row, part[2])
	}
	return row
}

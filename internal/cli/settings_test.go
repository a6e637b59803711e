package cli

import (
	"os"
	"strings"
	"testing"
)

// docs/settings-of-elt.md names every setting with its variables.
func TestEverySettingIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/settings-of-elt.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range own {
		row := ""
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, "| `"+s.key+"` |") {
				row = line
			}
		}
		for _, word := range s.variables {
			if !strings.Contains(row, "`"+word+"`") {
				t.Errorf("the row of %s does not name %s", s.key, word)
			}
		}
	}
}

package program

import (
	"debug/elf"
	"fmt"
	"os"
	"strings"
	"testing"
)

// What start-up touched of the program is given back, and the program goes on.
func TestUnmap(t *testing.T) {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f.Type != elf.ET_EXEC {
		t.Skip("this test is linked to lie anywhere, such a program is left alone")
	}
	before := mapped(t)
	Unmap()
	if after := mapped(t); after >= before {
		t.Errorf("%d KB of files were mapped before, %d are now", before, after)
	}
}

// mapped is how many KB of files are resident.
func mapped(t *testing.T) (kb int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssFile:")
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb
}

package project

import (
	"context"
	"testing"

	"elt/internal/fault"
)

func TestRequiredMeltano(t *testing.T) {
	for spec, fits := range map[string]bool{
		">=3,<5": true, "~=4.2": true, "~=4.2.0": true, "==4.*": true, "==4.2.2": true, ">= 4.3": true, "sometime": true,
		">=99": false, "<4": false, "~=3.1": false, "==4.2": false, ">=4,!=4.*": false,
	} {
		dir := t.TempDir()
		writeFile(t, dir+"/meltano.yml", "requires_meltano: '"+spec+"'\n")
		_, err := Load(context.Background(), Options{Dir: dir})
		if (err == nil) != fits || !fits && fault.CodeOf(err) != fault.Version {
			t.Errorf("%s: %v, exit %d", spec, err, fault.CodeOf(err))
		}
	}
}

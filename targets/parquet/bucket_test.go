package parquet

import (
	"testing"

	"elt/targets/targettest"
)

func TestTargetInABucket(t *testing.T) {
	s, b := subject().InBucket(t, "s3", "destination_path")
	targettest.Run(t, s)
	if len(b.Uploads()) > 0 {
		t.Errorf("uploads are left: %v", b.Uploads())
	}
}

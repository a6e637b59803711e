package port

import "testing"

// A picked port is none that the kernel would hand out, nor a well-known one.
func TestFree(t *testing.T) {
	for range 20 {
		n, err := Free()
		if err != nil {
			t.Fatal(err)
		}
		if n < first || n >= handedOut() {
			t.Errorf("port %d is not between %d and %d", n, first, handedOut())
		}
	}
}

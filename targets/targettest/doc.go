// Package targettest is the suite that every target passes: what Singer taps
// send, well or badly, and what must then be at the destination and on
// stdout. A target runs it on itself:
//
//	func TestTarget(t *testing.T) {
//		targettest.Run(t, targettest.Subject{Target: New(), Config: …, Rows: …})
//	}
//
// A case that does not fit a destination is skipped by name with a reason.
// Cases are input lines and expected rows; each runs through load.Serve, so
// through everything between stdin and the destination. Test code only.
package targettest

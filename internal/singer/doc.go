// Package singer is the Singer protocol: messages, the frame reader and
// writer, JSON to rows and back, catalog and selection, and state. It knows
// neither taps nor targets nor projects; reference for the wire format is
// the Singer specification (SPEC.md of singer-io/getting-started) and the
// Meltano SDK's practice where the specification is silent.
package singer

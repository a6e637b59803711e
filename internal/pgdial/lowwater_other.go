//go:build !unix

package pgdial

// lowWater does nothing where sockets have no such mark.
func (m *meter) lowWater(int) bool { return false }

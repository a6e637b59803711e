//go:build !linux

package program

// Unmap does nothing here.
func Unmap() {}

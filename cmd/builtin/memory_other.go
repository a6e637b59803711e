//go:build !linux

package builtin

func unmapProgram() {}

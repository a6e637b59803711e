//go:build !linux

package sqlite

func local(string) error { return nil }

//go:build !linux

package proc

import "syscall"

// Attached is for a child that shares our terminal and has no guard. Only
// Linux can end it with us.
func Attached() *syscall.SysProcAttr { return nil }

package proc

import "syscall"

// Attached is for a child that shares our terminal and has no guard: it is
// terminated when the thread that started it is gone, so lock that thread.
func Attached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

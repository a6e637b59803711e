//go:build !linux

package proc

import "os"

func growPipe(*os.File) {}

func watchPipe(*os.File) func() int { return func() int { return 0 } }

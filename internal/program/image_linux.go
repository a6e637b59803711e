package program

import (
	"debug/elf"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Unmap lets go of the program's code and constants. Starting has
// touched nearly all of them, every linked package initialises itself; what
// the rest of the process needs comes back from the page cache as it is used.
//
// Only segments that cannot have been written to are let go, and only in a
// program linked at fixed addresses; elsewhere nothing happens.
func Unmap() {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC {
		return
	}
	page := uint64(os.Getpagesize())
	for _, p := range f.Progs {
		if p.Type != elf.PT_LOAD || p.Flags&elf.PF_W != 0 {
			continue
		}
		first, end := (p.Vaddr+page-1)&^(page-1), (p.Vaddr+p.Memsz)&^(page-1)
		if first < end {
			// The address is no Go pointer, it is where the file's header says.
			at := *(*unsafe.Pointer)(unsafe.Pointer(&first))
			unix.Madvise(unsafe.Slice((*byte)(at), end-first), unix.MADV_DONTNEED)
		}
	}
}

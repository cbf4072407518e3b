//go:build unix && !linux

package child

import (
	"os"
	"syscall"
)

// attributes leave a child in the group of its parent, so that what a terminal
// sends ends both: the kernel does not.
func attributes() *syscall.SysProcAttr { return nil }

var suspend, resume os.Signal = syscall.SIGSTOP, syscall.SIGCONT

package child

import (
	"os"
	"syscall"
)

// attributes let the kernel kill a child when its parent is gone. What a terminal
// sends to its foreground reaches this process alone, which then ends its children
// in order.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

var suspend, resume os.Signal = syscall.SIGSTOP, syscall.SIGCONT

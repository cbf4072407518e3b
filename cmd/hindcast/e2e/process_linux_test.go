package e2e

import (
	"os/exec"
	"syscall"
)

// dieWithParent lets the kernel kill a process when the thread that started it
// is gone, so that none is left even when the test binary is killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

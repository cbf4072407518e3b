package main

import "syscall"

// childAttributes end a child with this process, however that one ends.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// freeze stops a process, as SIGSTOP does, or lets it go on.
func freeze(pid int, frozen bool) error {
	if frozen {
		return syscall.Kill(pid, syscall.SIGSTOP)
	}
	return syscall.Kill(pid, syscall.SIGCONT)
}

//go:build !linux

package main

import (
	"errors"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func freeze(int, bool) error { return errors.New("freeze the store: on Linux alone; take -freeze=0") }

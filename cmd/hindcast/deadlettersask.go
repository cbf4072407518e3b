package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	xterm "golang.org/x/term"
)

var (
	errNoTerminal   = errors.New("nothing is redriven: it has to be confirmed, and the standard input is no terminal; with --yes it is not asked")
	errNotConfirmed = errors.New("nothing is redriven: it was not confirmed")
)

// confirm asks whether so many letters are to be redriven. Nil is yes. Only a
// terminal is asked: what comes through a pipe may be meant for another question.
func confirm(ctx context.Context, w io.Writer, in *os.File, letters int) error {
	if !xterm.IsTerminal(int(in.Fd())) {
		return errNoTerminal
	}
	fmt.Fprintf(w, "Redrive %s? [y/N] ", plural(letters, "letter"))
	answers := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 1<<10)).ReadString('\n')
		if err != nil {
			fmt.Fprintln(w)
		}
		answers <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case answer := <-answers:
		if answer == "y" || answer == "yes" {
			return nil
		}
	case <-ctx.Done():
		fmt.Fprintln(w)
	}
	return errNotConfirmed
}

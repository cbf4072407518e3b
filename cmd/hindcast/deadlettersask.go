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
	return ask(ctx, w, in, letters)
}

// ask returns when there is an answer, or ctx is done: reading itself cannot be
// interrupted, and is left behind then.
func ask(ctx context.Context, w io.Writer, in io.Reader, letters int) error {
	fmt.Fprintf(w, "Redrive %s? [y/N] ", plural(letters, "letter"))
	answers := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 1<<10)).ReadString('\n')
		if err != nil {
			line = "" // it was not sent off
		}
		answers <- line
	}()
	answer := ""
	select {
	case answer = <-answers:
	case <-ctx.Done():
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	if answer == "" {
		fmt.Fprintln(w)
	}
	return errNotConfirmed
}

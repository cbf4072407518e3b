package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	xterm "golang.org/x/term"

	"github.com/hindcast/hindcast/ingest/kafka"
)

type deadLettersShowCmd struct {
	letterFlags
	Place kafka.Place `arg:"" placeholder:"PARTITION/OFFSET" help:"Its place in the topic of dead letters, as list prints it."`
	Raw   bool        `name:"raw" help:"Print the value only, as it is, to the byte; to a terminal only what is text."`
}

// Help is the command's long help.
func (deadLettersShowCmd) Help() string {
	return examples("Prints where a record was, why it could not be decoded, its headers, its key and its value: as text where it is text, else in hex.",
		"hindcast dead-letters show --config.file=hindcast.yml 0/17",
		"hindcast dead-letters show --config.file=hindcast.yml 0/17 --raw > record.bin")
}

// Run shows a dead letter.
func (c *deadLettersShowCmd) Run(s *streams) error {
	ctx, _, topic, stop, err := c.open()
	if err != nil {
		return err
	}
	defer stop()
	l, err := topic.Get(ctx, c.Place)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if c.Raw {
		if err := mayPrint(l.Value, onTerminal(s.out)); err != nil {
			return err
		}
		out.Write(l.Value)
	} else {
		writeLetter(&out, &l)
	}
	if _, err := s.out.Write(out.Bytes()); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// mayPrint is an error where bytes must not be printed as they are.
func mayPrint(value []byte, terminal bool) error {
	if !terminal || isText(value) {
		return nil
	}
	return errors.New("the value holds what a terminal may take for commands: send it to a file or a pipe, as with > record.bin, or show it without --raw")
}

func onTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && xterm.IsTerminal(int(f.Fd()))
}

func writeLetter(out *bytes.Buffer, l *kafka.Letter) {
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-10s%s\n", name+":", printable(value))
		}
	}
	field("place", l.Place.String())
	if l.Topic != "" {
		field("topic", l.Topic)
		field("record", l.Origin.String())
	} else {
		field("topic", "not told: hindcast did not put this record here")
	}
	field("time", timeOrNone(l.Time))
	field("given up", timeOrNone(l.At))
	field("format", l.Format)
	field("error", l.Error)
	if l.Cut != "" {
		field("cut", "it was too large to be kept whole, and lacks "+l.Cut)
	}
	for _, h := range l.Headers {
		field("header", h.Name+": "+string(h.Value))
	}
	if l.Key != nil {
		writeBytes(out, "key", l.Key)
	}
	if l.Value == nil {
		fmt.Fprintln(out, "no value")
		return
	}
	writeBytes(out, "value", l.Value)
}

func timeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// writeBytes writes text as it is, and everything else in hex.
func writeBytes(out *bytes.Buffer, name string, b []byte) {
	fmt.Fprintf(out, "%s, %s:\n", name, plural(len(b), "byte"))
	if !isText(b) {
		out.WriteString(hex.Dump(b))
		return
	}
	out.Write(b)
	if len(b) > 0 && b[len(b)-1] != '\n' {
		out.WriteByte('\n')
	}
}

// isText reports whether a terminal shows all that bytes hold, and nothing else.
func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(c rune) bool { return unprintable(c) && c != '\n' && c != '\t' })
}

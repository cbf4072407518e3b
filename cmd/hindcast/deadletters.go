package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest/kafka"
)

type deadLettersCmd struct {
	List    deadLettersListCmd    `cmd:"" help:"List the dead letters, the newest last."`
	Show    deadLettersShowCmd    `cmd:"" help:"Show one dead letter with its headers and its value."`
	Redrive deadLettersRedriveCmd `cmd:"" help:"Write dead letters to their topics again, to be consumed once more."`
}

// Help is the command's long help.
func (deadLettersCmd) Help() string {
	return examples(`A record in Kafka of which nothing could be decoded is put into the topic that kafka.dead_letters names, with the reason, so that its partition goes on. There it is for as long as that topic keeps it: once what was wrong is mended (a newer hindcast, another format in the configuration), redrive writes it to its own topic again, to be consumed once more.

A dead letter is named by its place in the topic of dead letters: PARTITION/OFFSET, as list prints it.

The user of the brokers must be allowed to read and describe that topic; for redrive, to write to it too and to the topics of the letters.`,
		"hindcast dead-letters list --config.file=hindcast.yml --since=1d",
		"hindcast dead-letters show --config.file=hindcast.yml 0/17",
		"hindcast dead-letters redrive --config.file=hindcast.yml --topic=deploys")
}

// letterFlags are what all commands about dead letters take.
type letterFlags struct {
	ConfigFile string `name:"config.file" required:"" placeholder:"FILE" help:"The configuration file: its section kafka says where the brokers are, and in which topic the dead letters."`
}

// open connects to the brokers. The context ends at the first signal; a second
// one ends the process. The topic must be closed, and stop called.
func (f letterFlags) open() (ctx context.Context, loaded config.Config, topic *kafka.DeadLetterTopic, stop func(), err error) {
	if loaded, err = config.Load(f.ConfigFile); err != nil {
		return nil, loaded, nil, nil, err
	}
	if len(loaded.Kafka.Brokers) == 0 {
		return nil, loaded, nil, nil, fmt.Errorf("%s: kafka.brokers is empty: there are no dead letters", f.ConfigFile)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel)
	topic, err = kafka.OpenDeadLetters(ctx, loaded.Kafka)
	if err != nil {
		cancel()
		return nil, loaded, nil, nil, fmt.Errorf("open the dead letters: %w", err)
	}
	return ctx, loaded, topic, func() { topic.Close(); cancel() }, nil
}

// letterFilter chooses letters.
type letterFilter struct {
	Topic  string `name:"topic" placeholder:"TOPIC" help:"Only records of this topic."`
	Format string `name:"format" placeholder:"FORMAT" help:"Only records of this format, as kafka.topics had it then."`
	Since  span   `name:"since" placeholder:"AGE" help:"Only what was given up in the last so long, as 2h or 7d."`
}

func (f letterFilter) from() time.Time {
	if f.Since <= 0 {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(f.Since))
}

func (f letterFilter) takes(l *kafka.Letter) bool {
	return (f.Topic == "" || f.Topic == l.Topic) && (f.Format == "" || f.Format == l.Format)
}

type deadLettersListCmd struct {
	letterFlags
	letterFilter
	Limit int  `name:"limit" default:"50" help:"List so many, the newest ones; 0 for all."`
	JSON  bool `name:"json" help:"Print one JSON object a line."`
}

// Help is the command's long help.
func (deadLettersListCmd) Help() string {
	return examples(`Reads the topic of dead letters from the beginning, or from --since on, and changes nothing. It joins no consumer group.

PLACE names the letter for show and redrive. GIVEN UP is when the record became one, TOPIC and RECORD (PARTITION/OFFSET) where it was, FORMAT what it was taken for, and REDRIVEN whether it was written there again: no, yes or perhaps.

A record may be kept twice, when a process ends before it could commit: the second letter is listed as a copy of the first. With --since, copies and what was redriven are told as far as they are not older either; redrive looks at all of the topic.`,
		"hindcast dead-letters list --config.file=hindcast.yml",
		"hindcast dead-letters list --config.file=hindcast.yml --topic=app-logs --since=2h --limit=0 --json")
}

// Run lists dead letters.
func (c *deadLettersListCmd) Run(s *streams) error {
	if c.Limit < 0 {
		return usageError("--limit must not be negative, not %d", c.Limit)
	}
	ctx, _, topic, stop, err := c.open()
	if err != nil {
		return err
	}
	defer stop()
	kept, others := newestLetters{limit: c.Limit}, letterTally{}
	total := 0
	states, err := topic.Scan(ctx, c.from(), func(l *kafka.Letter) error {
		if c.takes(l) {
			total++
			kept.add(headOf(l))
		} else {
			others.add(l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	letters := kept.sorted()
	for i := range letters {
		letters[i].Redriven = states.Redriven(letters[i].Place)
		if first, ok := states.CopyOf(letters[i].Place); ok {
			letters[i].CopyOf = &first
		}
	}
	if total == 0 {
		others.tellNone(s.err, topic.Name(), c.letterFilter)
		return nil
	}
	if c.JSON {
		return printLettersJSON(s, letters)
	}
	if err := printLetters(s, letters); err != nil {
		return err
	}
	if total > len(letters) {
		fmt.Fprintf(s.err, "%d older ones are not listed; --limit=0 lists all\n", total-len(letters))
	}
	return nil
}

// letterHead is what a list says of a letter.
type letterHead struct {
	Place    kafka.Place    `json:"place"`
	At       time.Time      `json:"at,omitzero"`
	Topic    string         `json:"topic,omitempty"`
	Record   kafka.Place    `json:"record,omitzero"`
	Time     time.Time      `json:"time,omitzero"`
	Format   string         `json:"format,omitempty"`
	Bytes    int            `json:"bytes"`
	Cut      string         `json:"cut,omitempty"`
	Redriven kafka.Redriven `json:"redriven"`
	CopyOf   *kafka.Place   `json:"copy_of,omitempty"`
	Error    string         `json:"error,omitempty"`
}

func headOf(l *kafka.Letter) letterHead {
	return letterHead{
		Place: l.Place, At: l.At, Topic: l.Topic, Record: l.Origin, Time: l.Time, Format: l.Format,
		Bytes: len(l.Value), Cut: l.Cut, Error: l.Error,
	}
}

func printLettersJSON(s *streams, letters []letterHead) error {
	for _, l := range letters {
		line, err := json.Marshal(l)
		if err == nil {
			_, err = s.out.Write(append(printableJSON(line), '\n'))
		}
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// printableJSON is the same JSON without what a terminal would take for a command.
// encoding/json leaves DEL, C1 and what turns the direction of text as they are; they
// can only be in strings.
func printableJSON(text []byte) []byte {
	if !bytes.ContainsFunc(text, unprintable) {
		return text
	}
	var b []byte
	for _, c := range string(text) {
		switch {
		case !unprintable(c):
			b = utf8.AppendRune(b, c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return b
}

func printLetters(s *streams, letters []letterHead) error {
	const maxReason = 160
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLACE\tGIVEN UP\tTOPIC\tRECORD\tFORMAT\tBYTES\tREDRIVEN\tERROR")
	for _, l := range letters {
		at, topic, record := "-", "-", "-"
		if !l.At.IsZero() {
			at = l.At.Format(time.RFC3339)
		}
		if l.Topic != "" {
			topic, record = l.Topic, l.Record.String()
		}
		reason := printable(l.Error)
		if utf8.RuneCountInString(reason) > maxReason {
			reason = string([]rune(reason)[:maxReason]) + "…"
		}
		if l.Cut != "" {
			reason += " (cut)"
		}
		if l.CopyOf != nil {
			reason += fmt.Sprintf(" (copy of %s)", l.CopyOf)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", l.Place, at, printable(topic), record, printable(l.Format), l.Bytes, l.Redriven, reason)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// printable is a text on one line, without what a terminal would take for a
// command.
func printable(text string) string {
	if strings.ContainsFunc(text, unprintable) || !utf8.ValidString(text) {
		quoted := strconv.Quote(text)
		return quoted[1 : len(quoted)-1]
	}
	return text
}

// unprintable reports what must not reach a terminal as it is: control characters,
// with carriage returns, which hide the line before them, and what turns the
// direction of text or has no width.
func unprintable(c rune) bool { return !unicode.IsPrint(c) }

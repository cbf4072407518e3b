package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// TestKafkaScripts runs the binary with a broker, whose address is in $BROKER,
// and empty topics of the script's own: $DEAD, $DEPLOYS, $LOGS and $OTHER.
func TestKafkaScripts(t *testing.T) {
	broker := kafkatest.Shared(t)
	scripts := maps.Clone(commands)
	scripts["subst"] = substitute
	scripts["letter"] = func(ts *testscript.TestScript, _ bool, args []string) { putLetter(ts, &broker.Admin, args) }
	scripts["records"] = func(ts *testscript.TestScript, _ bool, args []string) { printRecords(ts, &broker.Admin, args) }
	testscript.Run(t, testscript.Params{
		Dir: "testdata/kafka",
		Setup: func(env *testscript.Env) error {
			env.Setenv("BROKER", broker.Addr())
			for _, name := range []string{"DEAD", "DEPLOYS", "LOGS", "OTHER"} {
				env.Setenv(name, broker.Topic(t, 1, map[string]string{"retention.ms": "-1"}))
			}
			return setup(env)
		},
		Cmds: scripts,
	})
}

// substitute replaces the variables in a file: subst FILE.
func substitute(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o644))
}

// putLetter puts a record of a topic into the topic of dead letters, as the
// consumer does: letter TOPIC FORMAT OFFSET VALUE [hindcast-cut=…] [HEADER=VALUE…].
func putLetter(ts *testscript.TestScript, broker *kafkatest.Admin, args []string) {
	r := &kgo.Record{Topic: ts.Getenv("DEAD"), Key: []byte("key"), Value: []byte(args[3]), Headers: []kgo.RecordHeader{
		{Key: "hindcast-topic", Value: []byte(args[0])}, {Key: "hindcast-partition", Value: []byte("0")},
		{Key: "hindcast-offset", Value: []byte(args[2])}, {Key: "hindcast-format", Value: []byte(args[1])},
		{Key: "hindcast-error", Value: []byte("service: required")},
		{Key: "hindcast-at", Value: []byte("2026-11-22T12:01:0" + args[2] + "Z")}, {Key: "hindcast-time", Value: []byte("2026-11-22T12:00:00Z")},
	}}
	own := args[4:]
	cut := slices.DeleteFunc(slices.Clone(own), func(h string) bool { return !strings.HasPrefix(h, "hindcast-cut=") })
	own = own[len(cut):]
	for _, header := range slices.Concat(cut, []string{fmt.Sprintf("hindcast-headers=%d", len(own))}, own) {
		name, value, _ := strings.Cut(header, "=")
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	ts.Check(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ts.Check(client.ProduceSync(ctx, r).FirstErr())
}

// printRecords writes the values of a topic's first records into a file:
// records TOPIC NUMBER FILE.
func printRecords(ts *testscript.TestScript, broker *kafkatest.Admin, args []string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()), kgo.ConsumeTopics(args[0]), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ts.Check(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var values []string
	for fmt.Sprint(len(values)) < args[1] {
		fetches := client.PollFetches(ctx)
		ts.Check(fetches.Err())
		for _, r := range fetches.Records() {
			values = append(values, fmt.Sprintf("%s %s\n", r.Key, r.Value))
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Join(values, "")), 0o644))
}

func TestNewestLetters(t *testing.T) {
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	n := newestLetters{limit: 3}
	for _, i := range []int64{4, 1, 5, 2, 3, 5} {
		n.add(letterHead{At: at.Add(time.Duration(i) * time.Second), Place: kafka.Place{Offset: i}})
	}
	var got []int64
	for _, l := range n.sorted() {
		got = append(got, l.Place.Offset)
	}
	if want := []int64{4, 5, 5}; !slices.Equal(got, want) {
		t.Errorf("the newest are %v, want %v", got, want)
	}
}

// What a record holds must not steer the terminal of who looks at it.
func TestPrintsLettersSafely(t *testing.T) {
	for text, want := range map[string]string{
		"größe ok": "größe ok", "bad\rgood": `bad\rgood`, "a\u202eb": `a\u202eb`, "\u009b2J": `\u009b2J`, "\x7f": `\x7f`, "a\tb": `a\tb`, "a\u200bb": `a\u200bb`, "a\x1b[2Jb\n": `a\x1b[2Jb\n`, "\xff": `\xff`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed as %q, want %q", text, got, want)
		}
	}
	var out bytes.Buffer
	writeLetter(&out, &kafka.Letter{Error: "\x1b]0;x\a", Key: []byte("\x1b[1m"), Value: []byte("{\n\t\"a\": 1\n}")})
	if strings.Contains(out.String(), "\x1b") || !strings.Contains(out.String(), "1b 5b 31 6d") || !strings.HasSuffix(out.String(), "value, 11 bytes:\n{\n\t\"a\": 1\n}\n") {
		t.Errorf("it is shown as\n%q", out.String())
	}
}

// A value is shown as it is where that shows all of it, else in hex.
func TestShowsOnlyTextAsItIs(t *testing.T) {
	for value, text := range map[string]bool{
		"größe\n\tok": true, "": true, "spam\rham": false, "a\r\nb": false, "\x1b[2J": false, "\u202eevil": false, "\u009b2J": false, "\x00": false, "\xff": false, "a\u2028b": false,
	} {
		var out bytes.Buffer
		writeBytes(&out, "value", []byte(value))
		if got := strings.Contains(out.String(), "00000000  "); got == text {
			t.Errorf("%q is shown as\n%s", value, out.String())
		}
		if err := mayPrint([]byte(value), true); (err == nil) != text {
			t.Errorf("%q may be printed raw on a terminal: %v", value, err)
		}
		if err := mayPrint([]byte(value), false); err != nil {
			t.Errorf("%q may not be printed raw to a file: %v", value, err)
		}
	}
}

// JSON, too, is read on terminals.
func TestListsSafeJSON(t *testing.T) {
	want := letterHead{Topic: "a\u009b2J\x7f", Format: "\u202e", Error: "\x1b[2J\r größe \U000e0001", Cut: "\u2028"}
	var out bytes.Buffer
	if err := printLettersJSON(&streams{out: &out}, []letterHead{want}); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(out.String(), "\n")
	if strings.ContainsFunc(line, unprintable) {
		t.Errorf("it is listed as %q", line)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil || got["topic"] != want.Topic || got["format"] != want.Format || got["error"] != want.Error || got["cut"] != want.Cut {
		t.Errorf("%s\nis read as %q with error %v, want %+v", line, got, err, want)
	}
}

// Who redrives must know what became of letters when it fails, and what to do.
func TestTellsOfFailedRedrives(t *testing.T) {
	for outcome, wants := range map[kafka.RedriveOutcome][]string{
		kafka.NotWritten:      {"not written to topic lo\\x1bgs", "with --again: nothing counts twice"},
		kafka.PerhapsWritten:  {"perhaps written", "See whether the topic holds them"},
		kafka.WrittenNotNoted: {"could not be noted", "do not redrive them with --again"},
	} {
		var out bytes.Buffer
		tellFailed(&out, &kafka.RedriveError{Topic: "lo\x1bgs", Letters: 2, First: kafka.Place{Partition: 1, Offset: 7}, Outcome: outcome})
		for _, want := range append(wants, "2 letters, from 1/7 on: ", `listed as redriven "perhaps"`) {
			if !strings.Contains(out.String(), want) {
				t.Errorf("outcome %d: it is said\n%s\nwant it to hold %q", outcome, out.String(), want)
			}
		}
	}
}

func TestTellsWhatAgainDoes(t *testing.T) {
	for want, plan := range map[string]redrivePlan{
		"": {},
		"1 letter was redriven before: no log lines are in there, so nothing counts twice\n":                        {again: 1},
		"1 letter was perhaps redriven before: what log lines are in there count twice then\n":                      {again: 1, perhaps: 1, lines: 1},
		"3 letters were redriven before, 1 of them perhaps: 2 of them may hold log lines, which count twice then\n": {again: 3, perhaps: 1, lines: 2},
	} {
		var out strings.Builder
		plan.tellAgain(&out)
		if out.String() != want {
			t.Errorf("told %q, want %q", out.String(), want)
		}
	}
}

// What there is instead is told in bounds, and safely.
func TestTellsWhichLettersThereAre(t *testing.T) {
	var tally letterTally
	tally.add(&kafka.Letter{})
	for i := range 2 * maxKinds {
		tally.add(&kafka.Letter{Topic: fmt.Sprintf("\x1b[2Jt%03d", i), Format: "deploys"})
	}
	var out strings.Builder
	tally.tellNone(&out, "dead", letterFilter{Format: "deployz"})
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if lines[0] != "topic dead: no dead letters are of format deployz. There are:" || lines[1] != "  not told of which topic: 1 letter" ||
		len(lines) != 22 || lines[21] != "  and others" || strings.Contains(out.String(), "\x1b") {
		t.Errorf("told %d lines:\n%q", len(lines), out.String())
	}
	out.Reset()
	(&letterTally{}).tellNone(&out, "dead", letterFilter{Topic: "t", Since: span(2 * time.Hour)})
	if got, want := out.String(), "topic dead: no dead letters of the last 2h\n"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
}

func TestAskToRedrive(t *testing.T) {
	for answer, want := range map[string]error{
		"y\n": nil, " YES \r\n": nil, "n\n": errNotConfirmed, "\n": errNotConfirmed, "": errNotConfirmed, "y": errNotConfirmed, "yesterday\n": errNotConfirmed,
	} {
		var out strings.Builder
		if err := ask(t.Context(), &out, strings.NewReader(answer), 2); !errors.Is(err, want) {
			t.Errorf("answered %q: got error %v, want %v", answer, err, want)
		}
		if !strings.HasPrefix(out.String(), "Redrive 2 letters? [y/N] ") {
			t.Errorf("asked %q", out.String())
		}
	}
	// An interruption while nobody answers is a no.
	silent, writer := io.Pipe()
	defer writer.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(ctx, io.Discard, silent, 2); !errors.Is(err, errNotConfirmed) {
		t.Errorf("interrupted: got error %v, want %v", err, errNotConfirmed)
	}
}

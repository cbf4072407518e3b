package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka"
)

// letterTally counts letters by what a filter looks at, to say what there is where
// it takes none.
type letterTally struct {
	letters int
	kinds   map[letterKind]int
}

type letterKind struct{ topic, format string }

// maxKinds bounds the kinds that are kept: letters name topics and formats
// themselves.
const maxKinds = 100

func (t *letterTally) add(l *kafka.Letter) {
	if t.kinds == nil {
		t.kinds = map[letterKind]int{}
	}
	t.letters++
	kind := letterKind{l.Topic, l.Format}
	if _, ok := t.kinds[kind]; ok || len(t.kinds) < maxKinds {
		t.kinds[kind]++
	}
}

// tellNone says that a filter takes none of the letters that were counted, and
// what these are.
func (t *letterTally) tellNone(w io.Writer, topic string, f letterFilter) {
	newer := ""
	if f.Since > 0 {
		newer = " of the last " + ingest.FormatDuration(time.Duration(f.Since))
	}
	if t.letters == 0 {
		fmt.Fprintf(w, "topic %s: no dead letters%s\n", topic, newer)
		return
	}
	var wanted []string
	if f.Topic != "" {
		wanted = append(wanted, "topic "+printable(f.Topic))
	}
	if f.Format != "" {
		wanted = append(wanted, "format "+printable(f.Format))
	}
	fmt.Fprintf(w, "topic %s: no dead letters%s are of %s. There are:\n", topic, newer, strings.Join(wanted, " and "))
	const shown = 20
	told := map[string]int{}
	for kind, n := range t.kinds {
		told[kind.String()] += n
	}
	names := slices.Sorted(maps.Keys(told))
	for i, name := range names {
		if i == shown {
			fmt.Fprintln(w, "  and others")
			break
		}
		fmt.Fprintf(w, "  %s: %s\n", name, plural(told[name], "letter"))
	}
}

// String is how a list of kinds names one.
func (k letterKind) String() string {
	if k.topic == "" {
		return "not told of which topic"
	}
	return printable(fmt.Sprintf("topic %s, format %s", k.topic, k.format))
}

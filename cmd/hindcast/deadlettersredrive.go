package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka"
)

type deadLettersRedriveCmd struct {
	letterFlags
	Places []kafka.Place `arg:"" optional:"" placeholder:"PARTITION/OFFSET" help:"Letters by their places in the topic of dead letters, as list prints them; or choose with the flags below."`
	letterFilter
	All   bool `name:"all" help:"All letters."`
	Again bool `name:"again" help:"Also letters that were redriven before, or perhaps were (yes and perhaps, as list says). Their log lines count twice then."`
	Yes   bool `name:"yes" short:"y" help:"Do not ask. Without it the command says what it is about to do and asks; where the standard input is no terminal, it ends with 1 instead."`
}

// Help is the command's long help.
func (deadLettersRedriveCmd) Help() string {
	return examples(`Writes the records of dead letters to the topics that they came from again, as they were: with their keys, values, headers and times. It says which, and asks before it writes. hindcast consumes them there like new ones; what still cannot be decoded becomes a dead letter again, and the first one stays where it is.

Each letter is redriven once: the topic of dead letters keeps marks of what was. Of a record that was kept twice one letter is redriven, and what was done with it was done with its copies. For alerts, events, changes, messages and envelopes that is only tidy: they have identities, and coming twice changes nothing. Log lines have none, and would count twice; so they are left out unless --again is given where it is not known whether they were redriven.

A record that was sent and not acknowledged may have been written all the same. It is not sent again: the command ends there, says so, and the letter is listed as redriven "perhaps".

It may be interrupted: it ends what it is at, and the same command goes on with the rest. When it is run by a script, where nobody can be asked, give it --yes.

A letter that was too large to be kept whole cannot be redriven. Nor are letters to topics that are neither in kafka.topics nor in kafka.forward_topics: a letter says itself which topic it is of, and whoever may write to the topic of dead letters could name any. --topic=TOPIC, with places or without, redrives to such a topic all the same.`,
		"hindcast dead-letters redrive --config.file=hindcast.yml 0/17 0/19",
		"hindcast dead-letters redrive --config.file=hindcast.yml --topic=app-logs --since=1d",
		"hindcast dead-letters redrive --config.file=hindcast.yml --all --yes")
}

// Run redrives dead letters.
func (c *deadLettersRedriveCmd) Run(s *streams) error {
	filtered := len(c.Places) == 0
	switch {
	case len(c.Places) > 0 && (c.All || c.letterFilter != letterFilter{Topic: c.Topic}):
		return usageError("name places, or choose with --format, --since or --all, not both")
	case filtered && !c.All && c.letterFilter == letterFilter{}:
		return usageError("which letters? Name their places, or choose with --topic, --format, --since or --all")
	}
	ctx, loaded, topic, stop, err := c.open()
	if err != nil {
		return err
	}
	defer stop()
	if c.Topic != "" {
		topic.Allow(c.Topic)
	}
	plan, err := c.plan(ctx, topic, ingest.DefaultFormats(loaded.Formats()))
	if err != nil {
		return err
	}
	if filtered && plan.meant == 0 {
		plan.others.tellNone(s.err, topic.Name(), c.letterFilter)
	}
	plan.tell(s.err)
	if len(plan.places) == 0 {
		fmt.Fprintln(s.err, "nothing is redriven")
		return nil
	}
	if !c.Yes {
		if err := confirm(ctx, s.err, os.Stdin, len(plan.places)); err != nil {
			return err
		}
	}
	bar := newProgress(s.err)
	sum, err := topic.Redrive(ctx, plan.places, func(done int) { bar.text(fmt.Sprintf("%d of %d redriven", done, len(plan.places))) })
	bar.clear()
	fmt.Fprintf(s.err, "redrove %s\n", plural(sum.Written, "letter"))
	if sum.Retimed > 0 {
		fmt.Fprintf(s.err, "%d of them with the time of now: they are older than what their topics keep\n", sum.Retimed)
	}
	if failed, ok := errors.AsType[*kafka.RedriveError](err); ok {
		tellFailed(s.err, failed)
		return err
	}
	if ctx.Err() != nil {
		return errors.New("interrupted: the same command goes on")
	}
	return err
}

// tellFailed says what became of letters that were not seen to the end, and what to
// do about them.
func tellFailed(w io.Writer, e *kafka.RedriveError) {
	fmt.Fprintf(w, "%s, from %s on: ", plural(e.Letters, "letter"), e.First)
	to := printable(e.Topic)
	switch e.Outcome {
	case kafka.NotWritten:
		fmt.Fprintf(w, "not written to topic %s. They are listed as redriven \"perhaps\". Once the cause is mended, redrive them by their places with --again: nothing counts twice\n", to)
	case kafka.PerhapsWritten:
		fmt.Fprintf(w, "sent to topic %s, and perhaps written: the broker did not say. They are listed as redriven \"perhaps\", and log lines among them are left out from now on. See whether the topic holds them, at its end; redrive those that it does not hold by their places with --again\n", to)
	case kafka.WrittenNotNoted:
		fmt.Fprintf(w, "written to topic %s, but that could not be noted. They are listed as redriven \"perhaps\": do not redrive them with --again, since log lines would count twice\n", to)
	}
}

// redrivePlan is what is to be redriven, and what is not.
type redrivePlan struct {
	places []kafka.Place
	// to counts by topic and format.
	to map[string]int
	// meant is how many letters were chosen, others tells of the rest.
	meant  int
	others letterTally
	// again were redriven before, perhaps of them it is not known for sure, and lines
	// of them may hold log lines.
	again, perhaps, lines int
	// done, unsure and unfit are left out: they were redriven; may have been, and
	// may hold log lines; or cannot be, for a reason such as why.
	done, unsure, unfit int
	why                 error
	// copies are left out as well: of records that are redriven from another letter.
	copies int
}

// plan looks at all letters that are meant.
func (c *deadLettersRedriveCmd) plan(ctx context.Context, topic *kafka.DeadLetterTopic, formats ingest.Formats) (*redrivePlan, error) {
	type candidate struct {
		topic, format string
		unfit         error
	}
	plan := &redrivePlan{to: map[string]int{}}
	wanted := map[kafka.Place]bool{}
	for _, p := range c.Places {
		wanted[p] = true
	}
	found := map[kafka.Place]candidate{}
	// Copies of what is meant, and what was done with them, may be older: all is
	// looked at.
	from := c.from()
	states, err := topic.Scan(ctx, time.Time{}, func(l *kafka.Letter) error {
		early := !l.At.IsZero() && l.At.Before(from)
		if len(wanted) == 0 && c.takes(l) && !early || wanted[l.Place] {
			unfit := topic.Redrivable(l)
			if unfit == nil && !c.takes(l) {
				unfit = fmt.Errorf("the letter at %s is of topic %q, not of %q", l.Place, l.Topic, c.Topic)
			}
			found[l.Place] = candidate{topic: l.Topic, format: l.Format, unfit: unfit}
		} else if !early {
			plan.others.add(l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range c.Places {
		if _, ok := found[p]; !ok {
			return nil, fmt.Errorf("%w at %s in topic %q", kafka.ErrNoLetter, p, topic.Name())
		}
	}
	plan.meant = len(found)
	taken := map[kafka.Place]bool{}
	for _, place := range slices.SortedFunc(maps.Keys(found), kafka.Place.Compare) {
		l, state := found[place], states.Redriven(place)
		lines := holdsLines(formats, l.format)
		switch {
		case l.unfit != nil:
			plan.unfit++
			plan.why = cmp.Or(plan.why, l.unfit)
			continue
		case taken[states.First(place)]:
			plan.copies++
			continue
		case c.Again || state == kafka.NotRedriven:
		case state == kafka.WasRedriven:
			plan.done++
			continue
		case lines:
			plan.unsure++
			continue
		}
		if state != kafka.NotRedriven {
			plan.again++
			if state != kafka.WasRedriven {
				plan.perhaps++
			}
			if lines {
				plan.lines++
			}
		}
		taken[states.First(place)] = true
		plan.places = append(plan.places, place)
		plan.to[letterKind{l.topic, l.format}.String()]++
	}
	return plan, nil
}

// holdsLines reports whether records of a format hold log lines, which have no
// identity. Of a format that is not known nobody can tell.
func holdsLines(formats ingest.Formats, name string) bool {
	format, ok := formats.Named(name)
	return !ok || format.Join != nil
}

func (p *redrivePlan) tell(w io.Writer) {
	for _, to := range slices.Sorted(maps.Keys(p.to)) {
		fmt.Fprintf(w, "%s: %s\n", to, plural(p.to[to], "letter"))
	}
	p.tellAgain(w)
	if p.copies > 0 {
		fmt.Fprintf(w, "%d left out as copies: of each record one letter is redriven\n", p.copies)
	}
	if p.done > 0 {
		fmt.Fprintf(w, "%s redriven before and left out; --again redrives such letters all the same\n", were(p.done))
	}
	if p.unsure > 0 {
		fmt.Fprintf(w, "%s perhaps redriven before and left out, because log lines would count twice; --again redrives such letters, for when you know that they were not\n", were(p.unsure))
	}
	if p.unfit > 0 {
		fmt.Fprintf(w, "%d cannot be redriven, as this one: %s\n", p.unfit, printable(p.why.Error()))
	}
}

// tellAgain says which of the letters that will be redriven were before, and what
// that does.
func (p *redrivePlan) tellAgain(w io.Writer) {
	switch {
	case p.again == 0:
		return
	case p.perhaps == 0:
		fmt.Fprintf(w, "%s redriven before", were(p.again))
	case p.perhaps == p.again:
		fmt.Fprintf(w, "%s perhaps redriven before", were(p.again))
	default:
		fmt.Fprintf(w, "%s redriven before, %d of them perhaps", were(p.again), p.perhaps)
	}
	switch {
	case p.lines == 0:
		fmt.Fprintln(w, ": no log lines are in there, so nothing counts twice")
	case p.lines == p.again:
		fmt.Fprintln(w, ": what log lines are in there count twice then")
	default:
		fmt.Fprintf(w, ": %d of them may hold log lines, which count twice then\n", p.lines)
	}
}

func were(n int) string {
	if n == 1 {
		return "1 letter was"
	}
	return fmt.Sprintf("%d letters were", n)
}

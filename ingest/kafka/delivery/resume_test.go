package delivery

import (
	"context"
	"slices"
	"testing"
	"time"
)

// announced is the mark of a member that went down before it could append.
func announced(b *bench, from, until int64) Mark {
	var in []Record
	for _, r := range b.records {
		if from <= r.Offset && r.Offset < until {
			in = append(in, r)
		}
	}
	return Mark{Offset: from, Until: until, Sum: checksum(in), Topic: "id"}
}

func TestRangeOfAnotherMember(t *testing.T) {
	for _, c := range []struct {
		name string
		// change what is there after the range [2, 8) of ten was announced.
		change func(b *bench, m *Mark)
		places string
		lines  []int
		gap    Gap
	}{
		{"is appended whole, whatever one's own limits", func(*bench, *Mark) {}, "8 8..9 9..10 10", []int{18, 3, 3}, Gap{}},
		{"is read in several fetches", func(b *bench, _ *Mark) { b.perFetch = 1 }, "8 8..9 9 9..10 10", []int{18, 3, 3}, Gap{}},
		{"keeps the topic ID it was announced with", func(_ *bench, m *Mark) { m.Topic = "" }, "8 8..9 9..10 10", []int{18, 3, 3}, Gap{}},
		{"is taken without a checksum", func(_ *bench, m *Mark) { m.Sum = "" }, "8 8..9 9..10 10", []int{18, 3, 3}, Gap{}},
		{
			"is passed when other records are there", func(b *bench, _ *Mark) { b.records[5].Value = value(77, true, 1) },
			"8 8..9 9..10 10", []int{3, 3}, Gap{Reason: GapPartial, From: 2, To: 8, Resume: 8},
		},
		{
			"is passed when a part has expired", func(b *bench, _ *Mark) { b.first = 4 },
			"8 8..9 9..10 10", []int{3, 3}, Gap{Reason: GapPartial, From: 2, To: 8, Resume: 8},
		},
		{
			"is passed when more has expired", func(b *bench, _ *Mark) { b.first = 9 },
			"9 9..10 10", []int{3}, Gap{Reason: GapPartial, From: 2, To: 9, Resume: 9},
		},
		{
			// The simulation found that it went on at 6 and counted [6, 8) twice.
			"is passed to its end even if a new leader knows less", func(b *bench, _ *Mark) { b.first, b.shown = 4, 6 },
			"8", nil, Gap{Reason: GapPartial, From: 2, To: 8, Resume: 8},
		},
		{
			"is given up when the log was cut within it", func(b *bench, _ *Mark) { b.records, b.end, b.shown = b.records[:5], 5, 5 },
			"5", nil, Gap{Reason: GapPartial, From: 2, To: 8, Resume: 5},
		},
		{
			"is given up when the log ends where it begins", func(b *bench, _ *Mark) { b.records, b.end, b.shown = b.records[:2], 2, 2 },
			"2", nil, Gap{Reason: GapPartial, From: 2, To: 8, Resume: 2},
		},
		{
			// The simulation found that it waited for ever: an end of 0 was taken for
			// one that is not known.
			"is given up when the log is empty", func(b *bench, m *Mark) {
				*m = announced(b, 0, 6)
				b.records, b.end, b.shown = nil, 0, 0
			},
			"0", nil, Gap{Reason: GapPartial, From: 0, To: 6, Resume: 0},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := filled(0, 10)
			b.mark, b.known = announced(b, 2, 8), true
			c.change(b, &b.mark)
			m := b.mark
			o := b.options()
			o.Chunk.Records = 1
			if err := b.run(t, o, time.Hour); err != nil {
				t.Fatal(err)
			}
			if b.places() != c.places {
				t.Errorf("committed %s, want %s", b.places(), c.places)
			}
			if !slices.Equal(b.lines(), c.lines) {
				t.Errorf("chunks of %v lines, want %v", b.lines(), c.lines)
			}
			var want []Gap
			if c.gap.Reason != "" {
				c.gap.Topic, c.gap.TopicID, c.gap.Partition = "app-logs", "id", 3
				want = []Gap{c.gap}
			} else if got, id := b.batches[0].Chunks[0].ID, chunkID(announcedAs(m, b), 3, 0); got != id {
				t.Errorf("it became chunk %s, want %s", got, id)
			}
			if !slices.Equal(b.gaps, want) {
				t.Errorf("gaps %v, want %v", b.gaps, want)
			}
		})
	}
}

// announcedAs is the mark with the checksum that its chunk's ID holds.
func announcedAs(m Mark, b *bench) Mark {
	m.Sum = announced(b, m.Offset, m.Until).Sum
	return m
}

// A log that gives nothing of what it is said to have, and does not wait, is asked
// again after a while only: within a range that was announced, and behind it.
func TestLogThatGivesNothingIsAskedSeldom(t *testing.T) {
	for name, mark := range map[string]Mark{"a range": announced(filled(0, 10), 2, 8), "what comes next": {Offset: 2}} {
		t.Run(name, func(t *testing.T) {
			b := filled(0, 10)
			b.mark, b.known, b.mute = mark, true, true
			if err := b.run(t, b.options(), time.Hour); err != nil {
				t.Fatal(err)
			}
			if b.fetches < 700 || b.fetches > 1500 || len(b.gaps)+len(b.batches) > 0 {
				t.Errorf("asked %d times in an hour, want about every four seconds; gaps %v", b.fetches, b.gaps)
			}
		})
	}
}

// A leader that knows less for a while is waited for.
func TestRangeThatShowsLate(t *testing.T) {
	b := filled(0, 10)
	b.mark, b.known = announced(b, 2, 8), true
	b.shown = 4
	o := b.options()
	o.Clock = showing{b}
	if err := b.run(t, o, time.Hour); err != nil {
		t.Fatal(err)
	}
	if len(b.gaps) > 0 || !slices.Equal(b.lines(), []int{18, 6}) {
		t.Errorf("gaps %v and chunks of %v lines, want none and [18 6]", b.gaps, b.lines())
	}
}

// showing is a clock by which the rest of the log shows after some waiting.
type showing struct{ b *bench }

func (s showing) Now() time.Time { return time.Now() }

func (s showing) Sleep(ctx context.Context, d time.Duration) {
	systemClock{}.Sleep(ctx, d)
	if d >= 2*time.Second {
		s.b.shown = s.b.end
	}
}

package ingest

import "github.com/hindcast/hindcast/ingest/event"

// What a fact takes in memory beside its text: estimates, and only as good as
// a bound of a queue needs.
const (
	eventOverhead       = 768
	observationOverhead = 768
	lineOverhead        = 160
	countOverhead       = 256
	labelOverhead       = 48
)

// sizeOf estimates what a batch takes in memory, in bytes.
func sizeOf(b *event.Batch) int64 {
	n := 0
	for i := range b.Events {
		e := &b.Events[i]
		n += eventOverhead + len(e.Raw) + sizeOfLabels(e.Labels)
		if m := e.Message; m != nil {
			n += len(m.Text)
		}
		if c := e.Commit; c != nil {
			n += sizeOfCommit(c)
		}
		if c := e.Change; c != nil {
			n += len(c.Message)
			for j := range c.Commits {
				n += sizeOfCommit(&c.Commits[j])
			}
		}
	}
	for i := range b.Observations {
		o := &b.Observations[i]
		n += observationOverhead + len(o.Raw) + sizeOfLabels(o.Labels) + sizeOfLabels(o.Annotations)
	}
	for i := range b.Chunks {
		c := &b.Chunks[i]
		for j := range c.Streams {
			n += sizeOfLabels(c.Streams[j].Labels)
		}
		for j := range c.Lines {
			n += lineOverhead + len(c.Lines[j].Text) + sizeOfLabels(c.Lines[j].Metadata)
		}
		for j := range c.Counts {
			n += countOverhead + len(c.Counts[j].Template) + len(c.Counts[j].Sample)
		}
	}
	for i := range b.Asides {
		n += eventOverhead + len(b.Asides[i].Raw)
	}
	return int64(n)
}

func sizeOfCommit(c *event.Commit) int {
	n := 256 + len(c.Message) + len(c.Diff)
	for _, f := range c.Files {
		n += len(f)
	}
	return n
}

func sizeOfLabels(l event.Labels) int {
	n := labelOverhead * len(l)
	for k, v := range l {
		n += len(k) + len(v)
	}
	return n
}

package logs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// The classes of asides.
const (
	classEntry  = "bad_entry"
	classStream = "bad_stream"
	classLabels = "bad_labels"
	// The lines of these were taken, though not as they were sent.
	classCut      = "labels_cut"
	classMetadata = "metadata_cut"
	classLong     = "line_cut"
	classTime     = "time_out_of_range"
	// classMore sums up those beyond maxAsides.
	classMore = "more_put_aside"
)

// maxAsides is how many asides of one push are told one by one.
const maxAsides = 100

// putAside is what a push had that could not be taken as it was.
type putAside struct {
	asides []event.Aside
	// more were put aside beyond maxAsides.
	more int
	// first is the first entry or stream that was not taken.
	first *event.Malformed
	// Lines that were taken, though not as they were sent, are summed up.
	longLines, badTimes, cutMetadata int
}

// aside puts aside what the builder is at.
func (b *builder) aside(class, reason, raw string) {
	field := "streams[" + strconv.Itoa(b.at.stream) + "]"
	switch {
	case b.root == "":
		field = "lines[" + strconv.Itoa(b.at.entry) + "]"
	case class == classLabels || class == classCut:
		field += ".stream"
	case b.at.entry >= 0:
		field += ".values[" + strconv.Itoa(b.at.entry) + "]"
	}
	if class != classCut && b.put.first == nil {
		b.put.first = &event.Malformed{Field: field, Reason: reason}
	}
	if len(b.put.asides) >= maxAsides {
		b.put.more++
		return
	}
	b.put.asides = append(b.put.asides, b.newAside(class, field+": "+reason, raw))
}

func (b *builder) newAside(class, reason, raw string) event.Aside {
	return event.Aside{
		ID:         event.NewID(b.receivedAt, "aside", string(b.road), b.chunk.ID.String(), class, reason),
		ReceivedAt: b.receivedAt,
		Road:       b.road,
		Class:      class,
		Reason:     reason,
		Raw:        []byte(strings.Clone(raw[:min(len(raw), event.MaxAside)])),
	}
}

// asides are all of the push.
func (b *builder) asides() []event.Aside {
	p := &b.put
	if p.longLines+p.badTimes+p.cutMetadata+p.more == 0 {
		return p.asides
	}
	for _, sum := range []struct {
		n             int
		class, reason string
	}{
		{p.longLines, classLong, fmt.Sprintf("lines were cut to %d bytes", b.d.limits.LineBytes)},
		{p.badTimes, classTime, "lines had a time before 1970 or after 2199; they have the time at which they arrived"},
		{p.cutMetadata, classMetadata, "lines had more or longer structured metadata than allowed; it was cut"},
		{p.more, classMore, "more entries or streams of the push were put aside"},
	} {
		if sum.n > 0 {
			p.asides = append(p.asides, b.newAside(sum.class, strconv.Itoa(sum.n)+" "+sum.reason, ""))
		}
	}
	return p.asides
}

package delivery

import "fmt"

// Gap is a stretch of offsets that was passed over, or behind which the log was
// cut. It is reported before the step that passes it is committed; after a
// take-over it may be reported again.
type Gap struct {
	Topic     string
	TopicID   string
	Partition int
	Reason    GapReason
	// From and To bound the offsets, To exclusive. To is zero when where they
	// end is not known: the topic that they were in is gone.
	From, To int64
	// Resume is the offset at which delivery goes on.
	Resume int64
}

// String describes the gap for people.
func (g Gap) String() string {
	if g.To == 0 {
		return fmt.Sprintf("%s/%d: offsets from %d on: %s; goes on at %d", g.Topic, g.Partition, g.From, g.Reason, g.Resume)
	}
	return fmt.Sprintf("%s/%d: offsets [%d, %d): %s; goes on at %d", g.Topic, g.Partition, g.From, g.To, g.Reason, g.Resume)
}

// GapReason says why offsets were passed over.
type GapReason string

// The reasons.
const (
	// GapExpired: the records were deleted before they were read.
	GapExpired GapReason = "deleted before they were read"
	// GapPartial: a range that another member was about to append, or did
	// append, is no longer whole or holds other records than then. Its lines
	// are in the store all or not at all.
	GapPartial GapReason = "no longer what was about to be appended"
	// GapTruncated: the log ends, at From, before what was read of it, To. Where it
	// was cut is not known: at From or before. It goes on at its end with log lines,
	// else at its start again.
	GapTruncated GapReason = "behind the end of the log, which was cut"
	// GapRecreated: the topic was deleted and created again. The new one is
	// read from its start; TopicID is the old one's.
	GapRecreated GapReason = "in a topic that was deleted and created again"
)

// truncated is the gap where the log ends before what was read of it: brokers lost
// what they had acknowledged, as after an unclean election, and what was written
// since has offsets that were read with other records. Where those begin is not told
// (leader epochs would say it, which a mark does not hold): somewhere up to the end
// that is seen. A log that has grown past what was read of it before anybody looks
// shows no cut at all.
//
// Facts with identities are read again from the start of the log. It costs time,
// changes nothing that is in the store, and leaves out nothing that is in the log.
//
// Log lines that are cut into other ranges count again, and the log may hold weeks of
// them. So it goes on at the end: nothing counts twice, and lines that came between
// the cut and its discovery are passed over, a second's worth where consumers were
// up to date. Where the topic's ID is not known the log may be that of a new topic,
// of which nothing was read: then it is read from its start, and lines may count
// twice.
func (p *partition) truncated(out *OutOfRange, to int64) Gap {
	resume := out.First
	if p.o.Ranges && p.o.TopicID != "" {
		resume = out.End
	}
	return p.gap(GapTruncated, out.End, to, resume)
}

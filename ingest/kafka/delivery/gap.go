package delivery

import "fmt"

// Gap is a stretch of offsets that was passed over, or that was read again from
// the start of the log. It is reported before the step that passes it is
// committed; after a take-over it may be reported again.
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
	// GapTruncated: the log ends before what was read of it. It is read from
	// its start again.
	GapTruncated GapReason = "behind the end of the log, which was cut"
	// GapRecreated: the topic was deleted and created again. The new one is
	// read from its start; TopicID is the old one's.
	GapRecreated GapReason = "in a topic that was deleted and created again"
)

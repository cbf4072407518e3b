package event

import "time"

// Batch is facts that are appended together and share one fate. The zero
// Batch is empty.
type Batch struct {
	Events       []Event
	Observations []Observation
	Chunks       []Chunk
	Asides       []Aside
}

// Aside is an entry that could not be decoded and was put aside, so that what
// came with it could be taken.
type Aside struct {
	ID         ID        `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	Road       Road      `json:"road"`
	// Reason is for people and names the field; Class is for counting.
	Reason string `json:"reason"`
	Class  string `json:"class"`
	// Raw is the entry, shortened to [MaxAside] bytes. It need not be JSON or
	// even UTF-8.
	Raw []byte `json:"raw"`
}

// MaxAside bounds what is kept of an entry that was put aside, in bytes.
const MaxAside = 16 << 10

// Len is the number of facts in the batch, lines included.
func (b *Batch) Len() int {
	n := len(b.Events) + len(b.Observations) + len(b.Asides)
	for i := range b.Chunks {
		n += len(b.Chunks[i].Lines)
	}
	return n
}

// Add appends another batch's facts.
func (b *Batch) Add(other Batch) {
	b.Events = append(b.Events, other.Events...)
	b.Observations = append(b.Observations, other.Observations...)
	b.Chunks = append(b.Chunks, other.Chunks...)
	b.Asides = append(b.Asides, other.Asides...)
}

// Malformed is the error of a decoder that could take nothing of a body. It
// tells the sender what to mend.
type Malformed struct {
	// Field is the path of the field, as "alerts[3].startsAt"; "" for the body
	// as a whole.
	Field  string
	Reason string
}

func (e *Malformed) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

package body

import (
	"bytes"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Class says what is wrong with a field, in one word for counting.
type Class string

// The classes of failures.
const (
	ClassMissing Class = "missing" // a required field is absent or empty
	ClassType    Class = "type"    // a field has another JSON type than it should
	ClassValue   Class = "value"   // a word that is not known, a text that does not parse
	ClassTime    Class = "time"    // no time, or one outside the accepted range
	ClassSize    Class = "size"    // longer or more than is allowed
)

// Failure is why an entry cannot be taken. It names the first field that is
// wrong.
type Failure struct {
	Field  string
	Class  Class
	Reason string
}

// Malformed is the failure as a decoder's error.
func (f *Failure) Malformed() *event.Malformed {
	return &event.Malformed{Field: f.Field, Reason: f.Reason}
}

// Aside is the failure of one entry among others, with the entry as it was
// sent.
func (f *Failure) Aside(road event.Road, receivedAt time.Time, raw []byte) event.Aside {
	reason := f.Malformed().Error()
	kept := bytes.Clone(raw[:min(len(raw), event.MaxAside)])
	return event.Aside{
		ID:         event.NewID(receivedAt, "aside", string(road), reason, string(raw)),
		ReceivedAt: receivedAt,
		Road:       road,
		Reason:     reason,
		Class:      string(f.Class),
		Raw:        kept,
	}
}

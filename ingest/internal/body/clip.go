package body

import (
	"fmt"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// ClippedLabel is the label of an event that says what of its text and lists
// was cut. The raw payload still has it.
const ClippedLabel = "hindcast_clipped"

// NoteClipped adds the label [ClippedLabel] where something of the entry was
// cut, as "commits[0].diff: 65536 of 90000 bytes", and returns the labels.
func (o *Object) NoteClipped(labels event.Labels) event.Labels {
	return NoteClipped(labels, o.shared.clipped)
}

// NoteClipped adds the label [ClippedLabel] that lists what was cut, where
// something was, and returns the labels.
func NoteClipped(labels event.Labels, clipped []string) event.Labels {
	const named = 10
	if len(clipped) == 0 {
		return labels
	}
	text := strings.Join(clipped[:min(len(clipped), named)], ", ")
	if len(clipped) > named {
		text += ", …"
	}
	if labels == nil {
		labels = event.Labels{}
	}
	labels[ClippedLabel] = text
	return labels
}

func (o *Object) clip(name, format string, args ...any) {
	o.shared.clipped = append(o.shared.clipped, o.Path(name)+": "+fmt.Sprintf(format, args...))
}

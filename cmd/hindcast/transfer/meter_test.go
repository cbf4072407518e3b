package transfer

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func TestMeter(t *testing.T) {
	now := at(0)
	m := newMeter(storage.ExportSize{Events: 100, Chunks: 10}, Counts{Events: 20}, now)
	events := Piece{Batch: event.Batch{Events: make([]event.Event, 20)}}
	m.read(stageFacts, Counts{Events: 20}, events, now)
	p := m.read(stageFacts, Counts{Events: 60}, events, now.Add(4*time.Second))
	if p.Part != "events" || p.Done != 60 || p.Of != 100 || p.Rate != 10 || p.Left != 4*time.Second {
		t.Errorf("after 40 of 80 events in 4 s: got %+v, want 4 s left at 10 a second", p)
	}
	// Another part begins: nothing is known of its pace yet.
	chunks := Piece{Batch: event.Batch{Chunks: make([]event.Chunk, 1)}}
	p = m.read(stageFacts, Counts{Events: 100, Chunks: 1, Lines: 50}, chunks, now.Add(5*time.Second))
	if p.Part != "log chunks" || p.Done != 1 || p.Of != 10 || p.Left != 0 {
		t.Errorf("at the first chunk: got %+v", p)
	}
	// There is more than was known.
	p = m.read(stageFacts, Counts{Chunks: 12}, chunks, now.Add(30*time.Second))
	if p.Done != 12 || p.Of != 12 || p.Left != 0 {
		t.Errorf("behind the end: got %+v, want 12 of 12", p)
	}
	p = m.read(stageFacts, Counts{}, Piece{Read: 512, Of: 1024}, now.Add(31*time.Second))
	if p.Part != "backup" || p.Done != 512 || p.Of != 1024 {
		t.Errorf("in a backup: got %+v", p)
	}
}

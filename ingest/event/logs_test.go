package event_test

import (
	"encoding/json"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestCountKeyID(t *testing.T) {
	key := event.CountKey{Service: "payments", Environment: "prod", Version: "2", Level: event.LevelError, Pattern: 42, Second: began.Unix()}
	seen := map[event.ID]bool{key.ID(): true}
	if got := key.ID().Time().Unix(); got != key.Second {
		t.Errorf("the ID begins with second %d, want %d", got, key.Second)
	}
	for name, change := range map[string]func(*event.CountKey){
		"service":     func(k *event.CountKey) { k.Service = "checkout" },
		"environment": func(k *event.CountKey) { k.Environment = "" },
		"version":     func(k *event.CountKey) { k.Version = "3" },
		"level":       func(k *event.CountKey) { k.Level = event.LevelWarn },
		"pattern":     func(k *event.CountKey) { k.Pattern++ },
		"second":      func(k *event.CountKey) { k.Second++ },
	} {
		other := key
		change(&other)
		if seen[other.ID()] {
			t.Errorf("with another %s: the ID is the same as before", name)
		}
		seen[other.ID()] = true
	}
}

func TestLevelText(t *testing.T) {
	for l := event.LevelUnknown; l <= event.LevelFatal; l++ {
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatalf("encode %s: %v", l, err)
		}
		var back event.Level
		if err := json.Unmarshal(b, &back); err != nil || back != l {
			t.Errorf("decode %s: got %s and error %v", b, back, err)
		}
	}
	if got := event.Level(200).String(); got != "unknown" {
		t.Errorf("level 200: got %q, want unknown", got)
	}
	var l event.Level
	if err := json.Unmarshal([]byte(`"loud"`), &l); err == nil {
		t.Errorf("decode of a level that does not exist: got %s, want an error", l)
	}
}

package cassette

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// parts lists everything that requests tell, however it is batched, without
// repetition.
func parts(t *rapid.T, requests []Request) []string {
	var all []string
	for _, req := range requests {
		items, _, ok := items(req)
		if !ok {
			items = []json.RawMessage{req.Body}
		}
		for _, item := range items {
			var v any
			if err := json.Unmarshal(item, &v); err != nil {
				t.Fatalf("a part is no JSON any more: %v", err)
			}
			all = append(all, fmt.Sprintf("%s %v", req.Path, v))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestShuffleTellsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		paths := []string{"/ingest/alertmanager/events", "/api/v2/alerts", "/loki/api/v1/push", "/ingest/deploys"}
		at := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
		var requests []Request
		n := 0
		for range rapid.IntRange(0, 40).Draw(t, "requests") {
			path := rapid.SampledFrom(paths).Draw(t, "path")
			var list []map[string]int
			for range rapid.IntRange(0, 4).Draw(t, "parts") {
				n++
				list = append(list, map[string]int{"n": n})
			}
			var body any = list
			switch path {
			case "/loki/api/v1/push":
				body = map[string]any{"streams": list}
			case "/ingest/deploys":
				n++
				body = map[string]int{"n": n}
			}
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			at = at.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			requests = append(requests, Request{At: at, Method: "POST", Path: path, Body: text})
		}
		seed := rapid.Uint64().Draw(t, "seed")
		got := Shuffle(requests, seed)
		if before, after := parts(t, requests), parts(t, got); !slices.Equal(before, after) {
			t.Errorf("shuffled requests tell\n%v\nwant\n%v", after, before)
		}
		if !reflect.DeepEqual(got, Shuffle(requests, seed)) {
			t.Errorf("the same seed gave another delivery")
		}
	})
}

func TestShuffleRepeats(t *testing.T) {
	var requests []Request
	for i := range 300 {
		requests = append(requests, Request{Path: "/ingest/deploys", Body: json.RawMessage(fmt.Sprint(i))})
	}
	got := len(Shuffle(requests, 1)) - len(requests)
	if got < 70 || got > 130 {
		t.Errorf("%d of 300 requests were sent twice, want about a third", got)
	}
}

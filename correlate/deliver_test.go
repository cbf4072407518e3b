package correlate

import (
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestDelivery: to which of the incidents A on web, from 0 to 30, and B on
// search, from 10 to 40, a message goes, and why. M is a warning on mail.
func TestDelivery(t *testing.T) {
	a, b := alert("A@web", 0, 30), alert("B@search", 10, 40)
	m := alert("M@mail", 0, 40, severity("warning"))
	for _, test := range []struct {
		name string
		of   []fact // the last one is the message
		want string // the alert of the incident that it goes to; "" for none
		why  string
	}{
		{"by the incident's ID", facts(a, b, say("dana", "hm", 12).about(a.id().String())), "A", "names the incident"},
		{"by the ID, in lower case", facts(a, b, say("dana", "hm", 12).about(strings.ToLower(a.id().String()))), "A", "names the incident"},
		{"by a link that ends in it", facts(a, b, say("dana", "hm", 12).about("https://h.example/incidents/"+a.id().String()+"/timeline")), "A", "names the incident"},
		{"by a link in its text", facts(a, b, say("dana", "see https://h.example/incidents/"+b.id().String()+" please", 12)), "B", "links to the incident"},
		{"by the ID of any member", facts(a, alert("C@web", 2, 30), b, say("dana", "hm", 12).about(alert("C@web", 2, 30).id().String())), "A", "names the incident"},
		{"a link counts more than a service", facts(a, b, say("dana", "search?", 12).about(a.id().String())), "A", "names the incident"},
		{"an unknown ID does not", facts(a, b, say("dana", "search is on my mind", 12).about(event.NewID(at(0), "x").String())), "B", "names a service"},
		{"long after, by its ID", facts(a, b, say("dana", "post-mortem is done", 500).about(a.id().String())), "A", "names the incident"},
		{"by a service", facts(a, b, say("dana", "looking at web", 12)), "A", "names a service"},
		{"by a service, in capitals", facts(a, b, say("dana", "SEARCH again", 12)), "B", "names a service"},
		{"a part of a word is no service", facts(a, b, say("dana", "the website", 12)), "", ""},
		{"by two services", facts(a, b, say("dana", "web and search", 12)), "", ""},
		{"by a service up to 15 min before", facts(a, say("sue", "web seems down", -14)), "A", "names a service"},
		{"by a service long before", facts(a, say("sue", "web seems down", -16)), "", ""},
		{"by a service in the quiet period", facts(a, b, say("dana", "web was bad", 39)), "A", "names a service"},
		{"by a service after it", facts(a, b, say("dana", "web was bad", 41)), "", ""},
		{"by a service that nothing is wrong with", facts(a, chatter("mail", -10, 30), say("dana", "looking at mail", 5)), "", ""},
		{"the only one that is on", facts(a, b, say("dana", "on it", 5)), "A", "the only incident"},
		{"two are on", facts(a, b, say("dana", "on it", 12)), "", ""},
		{"none is on", facts(a, b, say("dana", "on it", 90)), "", ""},
		{"a minor one does not count", facts(a, m, say("dana", "on it", 5)), "A", "the only incident"},
		{"only a minor one is on", facts(m, say("dana", "on it", 5)), "", ""},
		{"a minor one by its service", facts(a, m, say("dana", "mail is odd", 5)), "M", "names a service"},
		{"in the thread of one", facts(a, b, say("dana", "looking at web", 11).inThread("t1"), say("omar", "any news?", 20).inThread("t1")), "A", "thread"},
		{"in a thread of none", facts(a, b, say("omar", "any news?", 20).inThread("t2")), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			message := test.of[len(test.of)-1]
			found := ""
			for _, tl := range timelines(t, 120, test.of) {
				for _, e := range tl.Entries {
					if (e.Kind != timeline.EntryMessage && e.Kind != timeline.EntryAcknowledged) || e.Events[0] != message.id() {
						continue
					}
					if found != "" {
						t.Errorf("the message is in two incidents")
					}
					found = strings.Fields(tl.Incident.Title)[0]
					if !strings.Contains(e.Why, test.why) {
						t.Errorf("it belongs because %q, want %q", e.Why, test.why)
					}
				}
			}
			if found != test.want {
				t.Errorf("the message goes to %q, want %q", found, test.want)
			}
		})
	}
}

// TestThreadsAreOfAChannel: the same thread of another channel is another.
func TestThreadsAreOfAChannel(t *testing.T) {
	elsewhere := say("omar", "any news?", 20).inThread("t1")
	elsewhere.event.Message.Channel = "random"
	for _, tl := range timelines(t, 120, alert("A@web", 0, 30), alert("B@search", 10, 40), say("dana", "looking at web", 11).inThread("t1"), elsewhere) {
		for _, e := range tl.Entries {
			if e.Events[0] == elsewhere.id() {
				t.Errorf("a message of another channel's thread is in %q: %s", tl.Incident.Title, e.Why)
			}
		}
	}
}

// TestMessageMovesOn: a message that came before its incident was known goes
// to it when it is.
func TestMessageMovesOn(t *testing.T) {
	e := engineWith(t, DefaultConfig())
	a := alert("A@web", 0, 30, label("env", "prod"))
	observeFacts(e, facts(say("dana", "looking at web", 2)))
	if got := e.Derive(at(3)); len(got) != 0 {
		t.Fatalf("a message alone gives %d timelines", len(got))
	}
	observeFacts(e, facts(a))
	got := inOrder(e.Derive(at(4)))
	if len(got) != 1 {
		t.Fatalf("%d timelines, want 1", len(got))
	}
	wantAt(t, &got[0], timeline.Acknowledged, 2, "claim")
	// A second incident on the same service set apart takes it away again.
	observeFacts(e, facts(alert("B@web", 1, 30, label("env", "test"))))
	for _, tl := range inOrder(e.Derive(at(5))) {
		wantAbsent(t, &tl, timeline.Acknowledged)
	}
}

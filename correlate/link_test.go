package correlate

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// grouped are the members' names of each incident, as "A+B, C".
func grouped(t *testing.T, cfg Config, said []Link, now float64, list ...any) string {
	t.Helper()
	var out []string
	for _, tl := range timelinesWith(t, cfg, said, now, list...) {
		var names []string
		for _, e := range tl.Entries {
			if e.Kind == "alert_fired" {
				names = append(names, e.Labels["alertname"])
			}
		}
		out = append(out, strings.Join(names, "+"))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// flapping is an alert that fired n times for two minutes each, from a minute
// on, every five minutes.
func flapping(who string, from float64, n int) []fact {
	var out []fact
	for i := range n {
		out = append(out, alert(who, from+5*float64(i), from+5*float64(i)+2, severity("warning")))
	}
	return out
}

func TestGrouping(t *testing.T) {
	warn := severity("warning")
	calls := DefaultConfig()
	calls.Topology = []Dependency{{Service: "web", Calls: []string{"checkout"}}, {Service: "checkout", Calls: []string{"payments"}}, {Service: "payments", Calls: []string{"db"}}}
	byService := `{}/{severity="critical"}:{alertname="X", service="shop"}`
	byName := `{}/{severity="critical"}:{alertname="X", severity="critical", env="prod"}`
	a, b := alert("A@web", 0, 30), alert("B@search", 5, 30)
	for _, test := range []struct {
		name string
		cfg  Config
		now  float64
		of   []fact
		want string
	}{
		{"the same service, near", DefaultConfig(), 60, facts(alert("A@web", 0, 30), alert("B@web", 14.9, 30)), "A+B"},
		{"time alone never links", DefaultConfig(), 60, facts(alert("A@web", 0, 30), alert("B@search", 0, 30)), "A, B"},
		{"alerts with no service", DefaultConfig(), 60, facts(alert("A", 0, 30), alert("B", 0, 30)), "A, B"},
		{"16 min apart, and the first one over for long", DefaultConfig(), 90, facts(alert("A@web", 0, 3), alert("B@web", 16, 30)), "A, B"},
		{"16 min apart, and the first one on and paging", DefaultConfig(), 90, facts(alert("A@web", 0, 30), alert("B@web", 16, 30)), "A+B"},
		{"16 min apart, within the quiet period of a paging end", DefaultConfig(), 90, facts(alert("A@web", 0, 8), alert("B@web", 16, 30)), "A+B"},
		{"16 min apart, beside a warning that hurts nobody", DefaultConfig(), 90, facts(alert("A@web", 0, 60, warn), alert("B@web", 16, 30)), "A, B"},
		{"16 min apart, beside a warning with new errors", DefaultConfig(), 90, facts(alert("A@web", 0, 60, warn), alert("B@web", 16, 30), errorsOn("web", -1, 20)), "A+B"},
		{"a warning with new errors, but long ago", DefaultConfig(), 200, facts(alert("A@web", 0, 180, warn), alert("B@web", 61, 70), errorsOn("web", -1, 90)), "A, B"},
		{"a paging alert that is on for ever", DefaultConfig(), 600, facts(alert("A@web", 0, still, seenFiring(500)), alert("B@web", 361, 370)), "A, B"},
		{"the same alert again within the quiet period", DefaultConfig(), 90, facts(alert("A@web", 0, 20), alert("A@web", 29, 40)), "A+A"},
		{"the same alert again after it", DefaultConfig(), 90, facts(alert("A@web", 0, 20), alert("A@web", 31, 40)), "A, A"},

		{"one calls the other", calls, 60, facts(alert("A@web", 0, 30), alert("B@checkout", 3, 30)), "A+B"},
		{"the callee first", calls, 60, facts(alert("A@checkout", 0, 30), alert("B@web", 3, 30)), "A+B"},
		{"two hops over a third service", calls, 60, facts(alert("A@web", 0, 30), alert("B@payments", 3, 30)), "A+B"},
		{"three hops", calls, 60, facts(alert("A@web", 0, 30), alert("B@db", 3, 30)), "A, B"},
		{"three hops, but one between them fires", calls, 60, facts(alert("A@web", 0, 30), alert("B@db", 3, 30), alert("C@checkout", 4, 30)), "A+B+C"},
		{"a label names the callee", DefaultConfig(), 60, facts(alert("A@web", 0, 30, label("upstream", "search")), alert("B@search", 3, 30)), "A+B"},
		{"lines name the callee at the time", DefaultConfig(), 60,
			facts(alert("A@web", 0, 30), alert("B@search", 3, 30), lines("web", "call failed", event.LevelError, -2, 3, 5, "search")), "A+B"},
		{"lines named it long before", DefaultConfig(), 60,
			facts(alert("A@web", 0, 30), alert("B@search", 3, 30), lines("web", "call failed", event.LevelError, -90, -80, 5, "search")), "A, B"},
		{"lines of no trouble name it", DefaultConfig(), 60,
			facts(alert("A@web", 0, 30), alert("B@search", 3, 30), lines("web", "called", event.LevelInfo, -2, 3, 5, "search")), "A, B"},
		{"lines hold what is a service's name", DefaultConfig(), 60,
			facts(alert("A@web", 0, 30), alert("B@user-service", 3, 30), lines("web", "no answer of user-service", event.LevelError, -2, 3, 5)), "A+B"},

		{"environments differ", DefaultConfig(), 60, facts(alert("A@web", 0, 30, label("env", "prod")), alert("B@web", 0, 30, label("env", "test"))), "A, B"},
		{"one names no environment", DefaultConfig(), 60, facts(alert("A@web", 0, 30, label("env", "prod")), alert("B@web", 1, 30)), "A+B"},
		{"environments differ, and one inhibits the other", DefaultConfig(), 60, func() []fact {
			a, b := alert("A@web", 0, 30, label("env", "prod")), alert("B@web", 1, 30, label("env", "test"))
			return facts(a, b, inhibited(b, a, 2))
		}(), "A, B"},

		{"a group by the service", DefaultConfig(), 60, facts(alert("A@web", 0, 30, inGroup(byService)), alert("B@search", 3, 30, inGroup(byService))), "A+B"},
		{"a group by name, severity and environment only", DefaultConfig(), 60, facts(alert("A@web", 0, 30, inGroup(byName)), alert("B@search", 3, 30, inGroup(byName))), "A, B"},
		{"a group by nothing", DefaultConfig(), 60, facts(alert("A@web", 0, 30, inGroup("{}:{}")), alert("B@search", 3, 30, inGroup("{}:{}"))), "A, B"},
		{"a group by the service, far apart", DefaultConfig(), 90, facts(alert("A@web", 0, 3, inGroup(byService)), alert("B@search", 30, 40, inGroup(byService))), "A, B"},

		{"one inhibits the other", DefaultConfig(), 60, facts(a, b, inhibited(b, a, 6)), "A+B"},
		{"a chronic warning inhibits", DefaultConfig(), 600, func() []fact {
			a, b := alert("A@web", -500, still, warn, seenFiring(550)), alert("B@search", 5, 30)
			return facts(a, b, inhibited(b, a, 6))
		}(), "A, B"},
		{"a chronic warning is inhibited", DefaultConfig(), 600, func() []fact {
			a, b := alert("A@web", -500, still, warn, seenFiring(550)), alert("B@web", 5, 30)
			return facts(a, b, inhibited(a, b, 6))
		}(), "A, B"},

		{"flapping before does not glue", DefaultConfig(), 90, facts(flapping("F@web", -25, 6), alert("B@web", 1, 30)), "B, F+F+F+F+F+F"},
		{"flaps inside demote nothing", DefaultConfig(), 90, facts(alert("B@web", 0, 50), flapping("F@web", 3, 6)), "B+F+F+F+F+F+F"},
		{"two that flapped before do not glue each other", DefaultConfig(), 90, facts(flapping("F@web", -30, 10), flapping("G@web", -4, 5)), "F+F+F+F+F+F+F+F+F+F, G+G+G+G+G"},

		{"heartbeats make nothing", DefaultConfig(), 90, facts(alert("Watchdog", 0, still), alert("DeadMansSwitch@web", 0, still), alert("infoinhibitor@web", 0, still)), ""},
		{"heartbeats glue nothing", DefaultConfig(), 90, facts(alert("A@web", 0, 3), alert("Watchdog@web", 10, 22), alert("B@web", 20, 30)), "A, B"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := grouped(t, test.cfg, nil, test.now, test.of); got != test.want {
				t.Errorf("incidents %q, want %q", got, test.want)
			}
		})
	}
}

func TestPeopleSayWhatBelongs(t *testing.T) {
	a, b, c := alert("A@web", 0, 30), alert("B@web", 5, 30), alert("C@search", 300, 310)
	for _, test := range []struct {
		name string
		said []Link
		want string
	}{
		{"nothing", nil, "A+B, C"},
		{"what is far apart belongs together", []Link{{A: a.id(), B: c.id(), Together: true}}, "A+B+C"},
		{"in the other order", []Link{{A: c.id(), B: a.id(), Together: true}}, "A+B+C"},
		{"what is near does not", []Link{{A: a.id(), B: b.id()}}, "A, B, C"},
		{"cut out of one, and put into another", []Link{{A: a.id(), B: b.id()}, {A: c.id(), B: b.id(), Together: true}}, "A, B+C"},
		{"of signals that nobody knows", []Link{{A: event.ID{1}, B: event.ID{2}, Together: true}, {A: event.ID{1}, B: event.ID{3}}}, "A+B, C"},
	} {
		if got := grouped(t, DefaultConfig(), test.said, 400, a, b, c); got != test.want {
			t.Errorf("%s: incidents %q, want %q", test.name, got, test.want)
		}
	}
	// It can be taken back.
	e := engineWith(t, DefaultConfig())
	observeFacts(e, facts(a, b, c))
	e.Say([]Link{{A: a.id(), B: b.id()}})
	if got := len(inOrder(e.Derive(at(400)))); got != 3 {
		t.Fatalf("cut apart: %d incidents, want 3", got)
	}
	e.Say(nil)
	retired := 0
	for _, d := range e.Derive(at(400)) {
		if d.Retired {
			retired++
			if d.Timeline.Incident.ID != b.id() {
				t.Errorf("%s is retired, want B's own incident %s", d.Timeline.Incident.ID, b.id())
			}
		}
	}
	if retired != 1 {
		t.Errorf("%d incidents are retired when the cut is taken back, want 1", retired)
	}
}

// TestRefireReopens: an alert that fires again within the quiet period reopens
// the incident under the same ID; after it, it is another.
func TestRefireReopens(t *testing.T) {
	first := alert("A@web", 0, 20)
	for _, test := range []struct {
		again float64
		same  bool
	}{{22, true}, {30, true}, {30.1, false}} {
		e := engineWith(t, DefaultConfig())
		observeFacts(e, facts(first))
		before := inOrder(e.Derive(at(21)))
		observeFacts(e, facts(alert("A@web", test.again, still)))
		after := inOrder(e.Derive(at(test.again + 1)))
		if len(before) != 1 || before[0].Incident.Status != "restored" {
			t.Fatalf("before it fires again: %s, %v", titles(before), before[0].Incident.Status)
		}
		last := after[len(after)-1].Incident
		if same := last.ID == before[0].Incident.ID; same != test.same {
			t.Errorf("fired again at minute %v: the same incident %v, want %v", test.again, same, test.same)
		}
		if last.Status != "open" || last.EndedAt != nil {
			t.Errorf("fired again at minute %v: %s until %v, want open", test.again, last.Status, last.EndedAt)
		}
	}
}

// TestNameByEarliestMember: the ID is that of the earliest member, whatever
// came first, and every member's ID leads to it.
func TestNameByEarliestMember(t *testing.T) {
	a, b, c := alert("A@web", 0, 30), alert("B@web", 5, 30), alert("C@web", 10, 30)
	all := facts(a, b, c)
	random := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		e := engineWith(t, DefaultConfig())
		var last []Derived
		for i := range all {
			observeFacts(e, all[i:i+1])
			last = e.Derive(at(12))
		}
		final := last[len(last)-1]
		if final.Retired || final.Timeline.Incident.ID != a.id() {
			t.Fatalf("the incident is named %s, want by its first member %s", final.Timeline.Incident.ID, a.id())
		}
		for _, m := range []fact{a, b, c} {
			if !slices.Contains(final.Signals, m.id()) {
				t.Errorf("the member %s does not lead to the incident", m.id())
			}
		}
	}
}

// TestWhy: each member says why it is in.
func TestWhy(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Topology = []Dependency{{Service: "web", Calls: []string{"checkout"}}, {Service: "checkout", Calls: []string{"payments"}}}
	group := `{}:{squad="x"}`
	a, i := alert("A@web", 0, 60, inGroup(group)), alert("I@mail", 4, 30)
	got := timelinesWith(t, cfg, nil, 90,
		a, i, inhibited(i, a, 5), alert("B@web", 1, 30), alert("C@checkout", 2, 30), alert("D@payments", 3, 30), alert("G@search", 6, 30, inGroup(group)), alert("B@web", 35, 40), alert("L@web", 56, 60))
	if len(got) != 1 {
		t.Fatalf("%s, want one incident", titles(got))
	}
	want := map[string]string{
		"A": "the incident's first signal",
		"B": "same service, web; started 1 min 0 s apart (with A on web)",
		"C": "web calls checkout; started 1 min 0 s apart (with B on web)",
		"D": "both hang together with checkout",
		"I": "A inhibits I",
		"G": "same Alertmanager group, " + group,
		"L": "same service, web; started while it was on (with A on web)",
	}
	for _, e := range got[0].Entries {
		if e.Kind != "alert_fired" || !e.At.Before(at(50)) && e.Labels["alertname"] != "L" {
			continue
		}
		name := e.Labels["alertname"]
		if w, ok := want[name]; ok && !strings.Contains(e.Why, w) {
			t.Errorf("%s is in because %q, want %q", name, e.Why, w)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("no entries of %v", want)
	}
}

func TestBinds(t *testing.T) {
	for key, want := range map[string]bool{
		`{}:{}`: false, ``: false, `nonsense`: false,
		`{}:{alertname="X"}`: false,
		`{}/{severity="critical"}:{alertname="X", cluster="eu"}`: false,
		`{}:{region="eu", env="prod", priority="p1"}`:            false,
		`{}:{service="payments"}`:                                true,
		`{}:{alertname="X", namespace="shop"}`:                   true,
		`{}/{receiver=~"a:{b"}:{team="x"}`:                       true,
		`{}/{service="payments"}:{alertname="X"}`:                false,
	} {
		if got := binds(key); got != want {
			t.Errorf("group %s binds: %v, want %v", key, got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 250 * time.Millisecond: "250 ms", 3 * time.Second: "3 s", 3500 * time.Millisecond: "3.5 s", 90 * time.Second: "1 min 30 s",
		time.Hour: "1 h 0 min", 25*time.Hour + 30*time.Minute: "25 h 30 min", -time.Minute: "1 min 0 s",
	} {
		if got := brief(d); got != want {
			t.Errorf("%d is written %q, want %q", d, got, want)
		}
	}
}

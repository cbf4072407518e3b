package correlate

import (
	"fmt"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestMatches(t *testing.T) {
	labels := event.Labels{"service": "payments", "env": "prod", "text": "two\nlines"}
	for _, test := range []struct {
		name, op, value string
		want            bool
	}{
		{"service", "=", "payments", true},
		{"service", "=", "Payments", false},
		{"service", "=", "pay", false},
		{"service", "!=", "payments", false},
		{"service", "!=", "checkout", true},
		{"service", "=~", "pay.*", true},
		{"service", "=~", "pay", false}, // anchored
		{"service", "=~", "ments", false},
		{"service", "=~", "checkout|payments", true},
		{"service", "=~", "payments|x", true}, // anchors bind the whole alternation
		{"service", "=~", "x|pay", false},
		{"service", "!~", "pay.*", false},
		{"service", "!~", "pay", true},
		{"text", "=~", "two.lines", true}, // the dot takes a line's end too
		// An absent label is an empty one.
		{"team", "=", "", true},
		{"team", "=", "a", false},
		{"team", "!=", "", false},
		{"team", "!=", "a", true},
		{"team", "=~", "", true},
		{"team", "=~", ".*", true},
		{"team", "=~", ".+", false},
		{"team", "!~", ".+", true},
		// What is no expression or no operator matches nothing.
		{"service", "=~", "(", false},
		{"service", "!~", "(", false},
		{"service", "~", "payments", false},
		{"service", "", "payments", false},
	} {
		if got := matches(event.Matcher{Name: test.name, Op: test.op, Value: test.value}, labels); got != test.want {
			t.Errorf("%s%s%q on %s: %v, want %v", test.name, test.op, test.value, labels, got, test.want)
		}
	}
}

func TestSilenceMatches(t *testing.T) {
	labels := event.Labels{"service": "payments", "env": "prod"}
	is := func(name, value string) event.Matcher { return event.Matcher{Name: name, Op: "=", Value: value} }
	for _, test := range []struct {
		name string
		sets [][]event.Matcher
		want bool
	}{
		{"no sets cover nothing", nil, false},
		{"an empty set covers nothing", [][]event.Matcher{{}}, false},
		{"all of a set", [][]event.Matcher{{is("service", "payments"), is("env", "prod")}}, true},
		{"one of a set is not enough", [][]event.Matcher{{is("service", "payments"), is("env", "test")}}, false},
		{"one of several sets is", [][]event.Matcher{{is("env", "test")}, {is("service", "payments")}}, true},
	} {
		if got := silenceMatches(&event.Silence{MatcherSets: test.sets}, labels); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// TestExpressionsAreBounded: silences that all differ do not fill the memory.
func TestExpressionsAreBounded(t *testing.T) {
	for i := range 3000 {
		anchored(fmt.Sprintf("x%d", i))
	}
	if n := len(expressions.compiled); n > 1001 {
		t.Errorf("%d expressions are kept", n)
	}
}

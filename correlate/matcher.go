package correlate

import (
	"regexp"
	"slices"
	"sync"

	"github.com/hindcast/hindcast/ingest/event"
)

// silenceMatches reports whether a silence covers an alert with these labels:
// all matchers of any of its sets fit.
func silenceMatches(s *event.Silence, labels event.Labels) bool {
	return slices.ContainsFunc(s.MatcherSets, func(set []event.Matcher) bool {
		return len(set) > 0 && !slices.ContainsFunc(set, func(m event.Matcher) bool { return !matches(m, labels) })
	})
}

// matches applies one matcher with Alertmanager's meaning: an absent label is
// an empty one, and expressions are anchored.
func matches(m event.Matcher, labels event.Labels) bool {
	value := labels[m.Name]
	switch m.Op {
	case "=":
		return value == m.Value
	case "!=":
		return value != m.Value
	case "=~", "!~":
		re := anchored(m.Value)
		return re != nil && re.MatchString(value) == (m.Op == "=~")
	}
	return false
}

// expressions caches compiled expressions; senders repeat the few that they
// have. It is bounded by being emptied.
var expressions = struct {
	sync.Mutex
	compiled map[string]*regexp.Regexp
}{compiled: map[string]*regexp.Regexp{}}

// anchored compiles an expression; nil when it is not one.
func anchored(expr string) *regexp.Regexp {
	expressions.Lock()
	defer expressions.Unlock()
	if re, ok := expressions.compiled[expr]; ok {
		return re
	}
	if len(expressions.compiled) > 1000 {
		clear(expressions.compiled)
	}
	re, err := regexp.Compile("^(?s:" + expr + ")$")
	if err != nil {
		re = nil
	}
	expressions.compiled[expr] = re
	return re
}

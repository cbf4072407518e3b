package main

import (
	"slices"
	"strings"
	"sync"
)

// sessions keeps those that could serve another query, with what was set up in
// them: to open one, and to set it up, costs more than a small query. The zero
// value is empty.
type sessions struct {
	mu   sync.Mutex
	idle []preparedSession // the latest last
}

// preparedSession is a session in which these statements were run, and then
// nothing that outlasts a query.
type preparedSession struct {
	*session
	prepared string
}

// take is a session that is prepared so, if there is one.
func (s *sessions) take(prepared string) (preparedSession, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.idle) - 1; i >= 0; i-- {
		if found := s.idle[i]; found.prepared == prepared {
			s.idle = slices.Delete(s.idle, i, i+1)
			return found, true
		}
	}
	return preparedSession{}, false
}

// put keeps a session, of so many at most, and closes the oldest that is too
// many.
func (s *sessions) put(p preparedSession, most int) {
	s.mu.Lock()
	s.idle = append(s.idle, p)
	var oldest preparedSession
	if len(s.idle) > most {
		oldest = s.idle[0]
		s.idle = slices.Delete(s.idle, 0, 1)
	}
	s.mu.Unlock()
	if oldest.session != nil {
		oldest.close()
	}
}

// close closes what is kept.
func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.idle {
		p.close()
	}
	s.idle = nil
}

// leavesNoTrace reports whether a statement changes nothing in its session: it
// neither sets anything nor makes a temporary table.
func leavesNoTrace(c call) bool {
	t := tokens{sql: c.sql}
	first, ok := t.next()
	return ok && len(c.params) == 0 && slices.ContainsFunc([]string{"SELECT", "WITH", "INSERT", "EXPLAIN"}, func(word string) bool {
		return strings.EqualFold(first.text, word)
	})
}

package main

import (
	"fmt"
	"time"
)

// The topics, with the format of their messages.
const (
	linesTopic   = "soak-lines"
	alertsTopic  = "soak-alerts"
	deploysTopic = "soak-deploys"
)

// services is how many services there are: their sums are checked apart.
const services = 20

// message is one that is produced. Numbers begin at 0, and equal ones give equal
// messages: nothing else of what was produced need be kept.
type message struct {
	topic string
	n     int
	body  []byte
}

// messages makes a plan's messages.
type messages struct {
	plan plan
	// from is the time of the first; the others follow a millisecond apart.
	from time.Time
}

func (m *messages) topic(n int) string {
	switch in := n % 100; {
	case in < m.plan.facts:
		return alertsTopic
	case in < 2*m.plan.facts:
		return deploysTopic
	}
	return linesTopic
}

func service(n int) string { return fmt.Sprintf("service-%02d", n/100%services) }

// level is that of a line: several patterns and levels come in each second.
func level(n int) string {
	if n%7 == 0 {
		return "error"
	}
	return "info"
}

func (m *messages) at(n int) message {
	at := m.from.Add(time.Duration(n) * time.Millisecond).UTC()
	stamp := at.Format(time.RFC3339Nano)
	one := message{topic: m.topic(n), n: n}
	switch one.topic {
	case alertsTopic:
		one.body = fmt.Appendf(nil, `[{"labels":{"alertname":"Soak","service":%q,"severity":"info","number":"%d"},"startsAt":%q,"endsAt":%q}]`,
			service(n), n, stamp, at.Add(time.Hour).Format(time.RFC3339Nano))
	case deploysTopic:
		one.body = fmt.Appendf(nil, `{"at":%q,"service":%q,"version":"%d","kind":"deploy","status":"succeeded","actor":"soak"}`, stamp, service(n), n)
	default:
		one.body = fmt.Appendf(nil, `{"time":%q,"service":%q,"level":%q,"message":"request %d took %d ms"}`, stamp, service(n), level(n), n, n%997)
	}
	return one
}

// sums are how many facts of a kind there are, and the sum of their numbers.
type sums struct{ count, numbers uint64 }

func (s *sums) add(n int) {
	s.count++
	s.numbers += uint64(n)
}

// truth is what must be there: by topic and service, and the lines by service and
// level as well.
type truth struct {
	facts map[string]map[string]sums
	lines map[string]uint64
}

func (m *messages) truth() truth {
	t := truth{facts: map[string]map[string]sums{}, lines: map[string]uint64{}}
	for n := range m.plan.messages {
		topic := m.topic(n)
		if t.facts[topic] == nil {
			t.facts[topic] = map[string]sums{}
		}
		s := t.facts[topic][service(n)]
		s.add(n)
		t.facts[topic][service(n)] = s
		if topic == linesTopic {
			t.lines[service(n)+" "+level(n)]++
		}
	}
	return t
}

// spread shares the partitions out to the topics: a sixth each to alerts and
// deploys, one at least.
func (p *plan) spread() map[string]int {
	few := max(p.partitions/6, 1)
	return map[string]int{linesTopic: p.partitions - 2*few, alertsTopic: few, deploysTopic: few}
}

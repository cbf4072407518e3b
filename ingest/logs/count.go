package logs

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// otherTemplate is the pattern of lines beyond the limit of patterns.
const otherTemplate = "<other>"

// maxUpstreams bounds the services that a count names as called. Those that
// are left are the first by name, whatever came first.
const maxUpstreams = 8

// counter sums lines by service, environment, version, level, pattern and
// second. Names are numbered, so that a key is a few words and not strings.
type counter struct {
	limit    int
	owners   map[owner]uint32
	names    []owner // by number
	patterns map[string]uint32
	// given are the patterns that a producer named, by its name.
	given map[event.PatternID]uint32
	index map[countKey]uint32
	sums  []event.Count
	// last saves the look-up of an owner that comes again.
	last      uint32
	ids       []event.PatternID
	templates []string
}

type owner struct{ service, environment, version string }

type countKey struct {
	second         int64
	owner, pattern uint32
	level          event.Level
}

// counted is what the counter has to know of a line. The template is only
// valid during the call.
type counted struct {
	service, environment, version string
	level                         event.Level
	second                        int64
	at                            time.Time
	hash                          uint64
	text                          string
	// pattern is the producer's name for the pattern; 0 where it gave none.
	pattern   event.PatternID
	template  []byte
	upstreams []string
}

// add counts a line and returns its key, whose strings do not hold on to the
// body.
func (c *counter) add(l counted) event.CountKey {
	if c.index == nil {
		c.owners, c.patterns, c.index = map[owner]uint32{}, map[string]uint32{}, map[countKey]uint32{}
	}
	var pattern uint32
	if l.pattern == 0 {
		pattern = c.pattern(l.template)
	} else {
		pattern = c.givenPattern(l.pattern, l.template)
	}
	who := c.owner(owner{l.service, l.environment, l.version})
	key := countKey{second: l.second, owner: who, pattern: pattern, level: l.level}
	i, ok := c.index[key]
	if !ok {
		i = uint32(len(c.sums))
		c.index[key] = i
		c.sums = append(c.sums, event.Count{
			CountKey: event.CountKey{
				Service: c.names[who].service, Environment: c.names[who].environment, Version: c.names[who].version,
				Level: l.level, Pattern: c.ids[pattern], Second: l.second,
			},
			First: l.at, Last: l.at, Template: c.templates[pattern], Sample: l.text,
		})
	}
	sum := &c.sums[i]
	sum.N++
	sum.Digest += l.hash
	switch before := l.at.Compare(sum.First); {
	case before < 0:
		sum.First, sum.Sample = l.at, l.text
	case before == 0 && l.text < sum.Sample:
		sum.Sample = l.text
	}
	if l.at.After(sum.Last) {
		sum.Last = l.at
	}
	for _, u := range l.upstreams {
		sum.Upstreams = addUpstream(sum.Upstreams, u)
	}
	return sum.CountKey
}

func (c *counter) owner(o owner) uint32 {
	if len(c.names) > 0 && o == c.names[c.last] {
		return c.last
	}
	n, ok := c.owners[o]
	if !ok {
		n = uint32(len(c.names))
		o = owner{strings.Clone(o.service), strings.Clone(o.environment), strings.Clone(o.version)}
		c.owners[o] = n
		c.names = append(c.names, o)
	}
	c.last = n
	return n
}

func (c *counter) pattern(template []byte) uint32 {
	n, ok := c.patterns[string(template)]
	if ok {
		return n
	}
	text := string(template)
	if len(c.templates) >= c.limit {
		text = otherTemplate
		if n, ok = c.patterns[text]; ok {
			return n
		}
	}
	n = uint32(len(c.templates))
	c.patterns[text] = n
	c.templates = append(c.templates, text)
	c.ids = append(c.ids, patternID(text))
	return n
}

// givenPattern is the number of a pattern that a producer named. Its text is
// that of the first line.
func (c *counter) givenPattern(id event.PatternID, template []byte) uint32 {
	n, ok := c.given[id]
	if ok {
		return n
	}
	if len(c.templates) >= c.limit {
		return c.pattern([]byte(otherTemplate))
	}
	if c.given == nil {
		c.given = map[event.PatternID]uint32{}
	}
	n = uint32(len(c.templates))
	c.given[id] = n
	c.templates = append(c.templates, string(template))
	c.ids = append(c.ids, id)
	return n
}

// counts are the sums, in the order in which their first lines came. Their
// strings do not hold on to the body.
func (c *counter) counts() []event.Count {
	for i := range c.sums {
		c.sums[i].Sample = strings.Clone(clipRunes(c.sums[i].Sample, event.MaxSample))
	}
	return c.sums
}

// patternID is the first 64 bits of the template's SHA-256.
func patternID(template string) event.PatternID {
	sum := sha256.Sum256([]byte(template))
	return event.PatternID(binary.BigEndian.Uint64(sum[:]))
}

// addUpstream keeps the list sorted, without doubles and bounded.
func addUpstream(list []string, name string) []string {
	i, found := slices.BinarySearch(list, name)
	if found || i == maxUpstreams {
		return list
	}
	list = slices.Insert(list, i, strings.Clone(name))
	return list[:min(len(list), maxUpstreams)]
}

package logs

import (
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// add adds the line of the object that was read; raw is the object.
func (s *jsonLines) add(raw string) error {
	o, b := s.o, s.b
	said := func(slot int) string { return o.found[slot].value }
	from, err := s.source()
	if err != nil {
		return err
	}
	line := *from
	line.version = first(said(jsonVersion), from.version)
	if o.level != event.LevelUnknown {
		line.level = o.level
	}
	sec, nsec := b.receivedAt.Unix(), int64(b.receivedAt.Nanosecond())
	if o.found[jsonTime].rank > 0 {
		sec, nsec = o.sec, o.nsec
	}
	text := said(jsonMessage)
	b.metadata, s.details = b.metadata[:0], s.details[:0]
	if text == "" && !o.silent {
		// The object itself is the line: it says all there is.
		text = raw
	} else {
		for i := range o.fields {
			f := &o.fields[i]
			if f.used {
				continue
			}
			b.metadata = append(b.metadata, f.pair)
			if name := f.name[f.bare:]; len(s.details) < maxJSONFields && len(name) <= maxJSONName &&
				lookUp(b.d.fields, name).roles&roleDetail != 0 {
				s.details = append(s.details, pair{name, f.value})
			}
		}
	}
	b.reader.details = s.details
	b.addLine(from, &line, said(jsonTrace), sec, nsec, text)
	return nil
}

// source is the stream of the object that was read: one for all objects that
// say the same of service, environment and labels.
func (s *jsonLines) source() (*source, error) {
	o := s.o
	s.key = s.key[:0]
	for slot := range o.found {
		if slot != jsonService && slot != jsonEnvironment && slot < jsonLabels {
			continue
		}
		s.key = append(s.key, o.found[slot].value...)
		s.key = append(s.key, 0xff) // no byte of UTF-8
	}
	if from, ok := s.sources[string(s.key)]; ok {
		return from, nil
	}
	if err := s.b.countStream(); err != nil {
		return nil, err
	}
	s.pairs = s.pairs[:0]
	for i, name := range o.table.labels {
		if value := o.found[jsonLabels+i].value; value != "" {
			s.pairs = append(s.pairs, pair{name, strings.Clone(value)})
		}
	}
	labels, cut := s.b.d.limits.labels(s.pairs)
	if cut != "" {
		s.b.aside(classCut, cut, "")
	}
	from := s.b.d.source(labels.Or(s.b.d.defaults.labels))
	from.service = first(o.found[jsonService].value, from.service)
	from.environment = first(o.found[jsonEnvironment].value, from.environment)
	s.sources[string(s.key)] = &from
	return &from, nil
}

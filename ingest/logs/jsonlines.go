package logs

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// JSONLines decodes log lines that are JSON objects. It is immutable; its
// method may be called concurrently. Make one with [Decoder.JSONLines].
type JSONLines struct {
	d     *Decoder
	table *jsonTable
	// objects keeps the memory of those that have done.
	objects *sync.Pool
}

// JSONLines makes a decoder of log lines that are JSON objects with the given
// fields.
func (d *Decoder) JSONLines(fields JSONFields) *JSONLines {
	table := newJSONTable(fields, d.labels)
	return &JSONLines{d: d, table: table, objects: &sync.Pool{New: func() any { return newJSONObject(table) }}}
}

// WithDefaults is as [Decoder.WithDefaults].
func (j *JSONLines) WithDefaults(labels event.Labels) *JSONLines {
	if len(labels) == 0 {
		return j
	}
	return &JSONLines{d: j.d.WithDefaults(labels), table: j.table, objects: j.objects}
}

// Decode decodes a body of JSON objects, each of which is a log line: one, an
// array, or several behind one another, with line ends between them or without.
// What is no object is a line of text as it stands; one that begins with white
// space belongs to the line before. What begins as an object and is none is put
// aside, and reading goes on at the next object that begins a line.
//
// The batch holds one chunk, or none when there are no lines. The error is an
// [event.Malformed] when nothing could be taken, and [ErrTooLarge] as well when
// the body is beyond a limit. The body may be reused afterwards.
func (j *JSONLines) Decode(body []byte, receivedAt time.Time) (event.Batch, error) {
	b := newBuilder(j.d, event.RoadJSONLines, body, receivedAt)
	b.root = ""
	s := jsonLines{b: b, o: j.objects.Get().(*jsonObject), sources: map[string]*source{}}
	s.o.r.s = b.body
	defer func() {
		s.o.release()
		j.objects.Put(s.o)
	}()
	if err := s.body(); err != nil {
		return event.Batch{}, err
	}
	return b.finish()
}

// jsonLines reads one body of JSON lines.
type jsonLines struct {
	b *builder
	o *jsonObject
	// sources are by what the objects say of theirs.
	sources map[string]*source
	key     []byte
	pairs   []pair
	details []pair
	// unwrapped says that an array was left at a fault: what is left of it are
	// objects with commas between.
	unwrapped bool
}

// errLeft says that an array was left at a fault.
var errLeft = errors.New("left the array")

// body reads a sequence of values.
func (s *jsonLines) body() error {
	r := &s.o.r
	r.s = strings.TrimPrefix(r.s, "\uFEFF")
	s.b.expect(1 + strings.Count(r.s, "\n"))
	for {
		first := r.peek()
		if r.i >= len(r.s) {
			break
		}
		var err error
		switch {
		case first == '{':
			err = s.element()
		case first == '[':
			err = s.array()
		case s.unwrapped && (first == ',' || first == ']'):
			r.i++
		default:
			err = s.text()
		}
		if err != nil && !errors.Is(err, errLeft) {
			return err
		}
	}
	if strings.TrimSpace(r.s) == "" {
		return &event.Malformed{Reason: "there is no line"}
	}
	return nil
}

// element reads the value that comes and adds its line, or puts it aside. The
// error is about limits, or errLeft where the value has no end.
func (s *jsonLines) element() error {
	if err := s.b.countLine(); err != nil {
		return err
	}
	r := &s.o.r
	first := r.peek()
	start := r.i
	if first != '{' {
		if raw, err := r.skip(); err == nil {
			return s.plain(unquoted(raw))
		}
		return s.fault(start)
	}
	if err := s.o.read(); err != nil {
		return s.fault(start)
	}
	return s.add(r.s[start:r.i])
}

// fault puts the value aside that begins at start, up to its end or, where none
// can be found, up to the next object that begins a line.
func (s *jsonLines) fault(start int) error {
	r := &s.o.r
	at := r.i
	r.i = start
	_, err := r.skip()
	if err == nil {
		s.b.aside(classEntry, fmt.Sprintf("%v at byte %d", errJSON, at), r.s[start:r.i])
		return nil
	}
	s.leave(start)
	return errLeft
}

// leave puts aside what begins at start, up to the next object that begins a
// line.
func (s *jsonLines) leave(start int) {
	r := &s.o.r
	at := r.i
	r.i = len(r.s)
	for from := start; ; {
		i := strings.IndexByte(r.s[from:], '\n')
		if i < 0 {
			break
		}
		if from += i + 1; strings.HasPrefix(r.s[from:], "{") {
			r.i = from
			break
		}
	}
	s.b.aside(classEntry, fmt.Sprintf("%v at byte %d", errJSON, at), r.s[start:r.i])
}

// array reads an array of lines. What is none is a line of text, as one that
// begins with a time or a level in brackets.
func (s *jsonLines) array() error {
	r := &s.o.r
	start := r.i
	_, err := r.skip()
	if err == nil {
		end := r.i
		behind := r.peek()
		if r.i < len(r.s) && behind != '{' && behind != '[' && !strings.Contains(r.s[end:r.i], "\n") {
			r.i = start
			return s.text()
		}
	} else if within := strings.TrimLeft(r.s[start+1:], " \t\r\n"); !strings.HasPrefix(within, "{") {
		r.i = start
		return s.text()
	}
	r.i = start
	err = r.array(func(int) error { return s.element() })
	if errors.Is(err, errJSON) {
		// An element that no comma follows: what does may be one as well.
		if err = errLeft; r.peek() != '{' {
			if err := s.b.countLine(); err != nil {
				return err
			}
			s.leave(r.i)
		}
	}
	s.unwrapped = s.unwrapped || errors.Is(err, errLeft)
	return err
}

// text reads a line of text, with those that belong to it. A text in quotes is
// what is within.
func (s *jsonLines) text() error {
	if err := s.b.countLine(); err != nil {
		return err
	}
	r := &s.o.r
	start := r.i
	if r.s[start] == '"' {
		if value, err := r.str(); err == nil {
			end := r.i
			if r.peek(); r.i >= len(r.s) || strings.Contains(r.s[end:r.i], "\n") {
				return s.plain(value)
			}
		}
		r.i = start
	}
	for {
		end := strings.IndexByte(r.s[r.i:], '\n')
		if end < 0 {
			r.i = len(r.s)
			break
		}
		r.i += end + 1
		if rest := r.s[r.i:]; rest == "" || rest[0] != ' ' && rest[0] != '\t' {
			break
		}
	}
	return s.plain(strings.TrimRight(r.s[start:r.i], " \t\r\n"))
}

// unquoted is the text of a value: what is within the quotes where it is a
// string.
func unquoted(raw string) string {
	if strings.HasPrefix(raw, `"`) {
		r := jsonReader{s: raw}
		if text, err := r.str(); err == nil {
			return text
		}
	}
	return raw
}

// plain adds a line of text.
func (s *jsonLines) plain(text string) error {
	s.o.forget()
	from, err := s.source()
	if err != nil {
		return err
	}
	s.b.metadata, s.b.reader.details = s.b.metadata[:0], nil
	s.b.addLine(from, from, "", s.b.receivedAt.Unix(), int64(s.b.receivedAt.Nanosecond()), text)
	return nil
}

package logs

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/hindcast/hindcast/ingest/event"
)

// lokiJSON reads the JSON form of a push:
//
//	{"streams": [{"stream": {"label": "value"}, "values": [["<ns>", "line", {"metadata": "value"}]]}]}
//
// What is not JSON makes the whole malformed; what is JSON of another shape
// costs the stream or entry alone.
func (b *builder) lokiJSON(body string) error {
	r := &jsonReader{s: body}
	if r.peek() != '{' {
		return &event.Malformed{Reason: "not a Loki push: want a JSON object"}
	}
	seen := false
	err := r.object(func(name string) error {
		if name != "streams" || seen {
			_, err := r.skip()
			return err
		}
		if r.peek() != '[' {
			return &event.Malformed{Field: "streams", Reason: "want an array"}
		}
		seen = true
		return r.array(func(int) error { return b.jsonStream(r) })
	})
	if err == nil && r.peek() != 0 {
		err = errJSON
	}
	switch {
	case errors.Is(err, errJSON) || errors.Is(err, errJSONDeep):
		return &event.Malformed{Reason: fmt.Sprintf("%v at byte %d", err, r.i)}
	case err == nil && !seen:
		return &event.Malformed{Field: "streams", Reason: "is missing"}
	}
	return err
}

func (b *builder) jsonStream(r *jsonReader) error {
	if err := b.countStream(); err != nil {
		return err
	}
	if r.peek() != '{' {
		raw, err := r.skip()
		b.aside(classStream, "want an object", raw)
		return err
	}
	var (
		start      = r.i
		ready      bool // the labels are known
		badLabels  string
		valuesAt   = -1
		haveValues bool
	)
	err := r.object(func(name string) error {
		switch {
		case name == "stream" && !ready && badLabels == "":
			pairs, problem, err := r.pairs(nil)
			if err != nil {
				return err
			}
			if badLabels = problem; problem == "" {
				b.stream(pairs)
				ready = true
			}
			return nil
		case name == "values" && !haveValues:
			haveValues = true
			if ready {
				return b.jsonValues(r)
			}
			// The labels come later: read the values then.
			r.peek()
			valuesAt = r.i
		}
		_, err := r.skip()
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case badLabels != "":
		b.at.entry = -1
		b.aside(classLabels, badLabels, r.s[start:r.i])
	case !haveValues:
		b.aside(classStream, "values is missing", r.s[start:r.i])
	case valuesAt >= 0:
		if !ready {
			b.stream(nil)
		}
		end := r.i
		r.i = valuesAt
		if err := b.jsonValues(r); err != nil {
			return err
		}
		r.i = end
	}
	return nil
}

func (b *builder) jsonValues(r *jsonReader) error {
	if r.peek() != '[' {
		raw, err := r.skip()
		b.aside(classStream, "values: want an array", raw)
		return err
	}
	return r.array(func(int) error {
		if err := b.countLine(); err != nil {
			return err
		}
		r.peek()
		start := r.i
		problem, err := b.jsonEntry(r)
		if err != nil {
			return err
		}
		if problem != "" {
			b.aside(classEntry, problem, r.s[start:r.i])
		}
		return nil
	})
}

// jsonEntry reads ["<ns>", "line", {metadata}] and adds it, or says what is
// wrong with it.
func (b *builder) jsonEntry(r *jsonReader) (problem string, err error) {
	if r.peek() != '[' {
		_, err := r.skip()
		return "want an array of time stamp and line", err
	}
	var (
		ns   int64
		text string
		n    int
	)
	b.metadata = b.metadata[:0]
	err = r.array(func(i int) error {
		n++
		first := r.peek()
		switch {
		case i == 0 && (first == '"' || first == '-' || isDigit(first)):
			stamp, _, err := r.scalar()
			if err != nil {
				return err
			}
			var ok bool
			if ns, ok = parseNanoseconds(stamp); !ok && problem == "" {
				problem = "the time stamp " + strconv.Quote(clipRunes(stamp, 40)) + " is not a number of nanoseconds"
			}
			return nil
		case i == 1 && first == '"':
			var err error
			text, err = r.str()
			return err
		case i == 2 && first == '{':
			pairs, bad, err := r.pairs(b.metadata)
			b.metadata = pairs
			if bad != "" && problem == "" {
				problem = bad
			}
			return err
		case i == 2 && first == 'n': // null: none
		case i <= 2 && problem == "":
			problem = [...]string{"the time stamp is not a string", "the line is not a string", "the metadata is not an object"}[i]
		}
		_, err := r.skip()
		return err
	})
	if err != nil || problem != "" {
		return problem, err
	}
	if n < 2 {
		return "want a time stamp and a line", nil
	}
	sec, nsec := ns/1e9, ns%1e9
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1e9
	}
	b.line(sec, nsec, text)
	return "", nil
}

// parseNanoseconds reads a time stamp. One too large for 64 bits is the
// largest, which is out of the accepted range.
func parseNanoseconds(stamp string) (int64, bool) {
	ns, err := strconv.ParseInt(stamp, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt64, true
	}
	return ns, err == nil
}

// pairs reads an object of labels and appends it to pairs. Numbers and
// booleans are taken as their text, null as no value; what is nested is a
// problem.
func (r *jsonReader) pairs(pairs []pair) (_ []pair, problem string, err error) {
	switch r.peek() {
	case '{':
	case 'n':
		_, err := r.literal()
		return pairs, "", err
	default:
		_, err := r.skip()
		return pairs, "labels: want an object", err
	}
	err = r.object(func(name string) error {
		switch r.peek() {
		case '{', '[':
			problem = "the label " + strconv.Quote(clipRunes(name, 40)) + " is not a string"
			_, err := r.skip()
			return err
		}
		value, isString, err := r.scalar()
		if err == nil && (isString || value != "null") {
			pairs = append(pairs, pair{name, value})
		}
		return err
	})
	return pairs, problem, err
}

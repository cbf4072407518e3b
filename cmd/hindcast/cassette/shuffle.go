package cassette

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"time"
)

// Shuffle makes another delivery of the same facts: a third of the requests is
// sent twice, those whose body is a list are split and joined otherwise, log
// pushes of neighbours are joined, and the order is random. The same seed
// makes the same delivery. What is derived from it must not differ.
func Shuffle(requests []Request, seed uint64) []Request {
	random := rand.New(rand.NewPCG(seed, 0x68696e6463617374))
	var singles, twice []Request
	for _, req := range requests {
		if random.IntN(3) == 0 {
			twice = append(twice, req, req)
		} else {
			singles = append(singles, req)
		}
	}
	// Whether a redelivery comes in a chunk of its own or in another is for
	// the sender; those that come twice stay as they are.
	out := append(rebatch(singles, random), twice...)
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// joinWithin is how far apart requests may have arrived to be joined: the
// joint request arrived with the later one.
const joinWithin = 2 * time.Second

// rebatch splits and joins requests whose bodies can be.
func rebatch(requests []Request, random *rand.Rand) []Request {
	var out []Request
	for _, req := range requests {
		parts := []Request{req}
		if random.IntN(2) == 0 {
			parts = split(req)
		}
		for _, part := range parts {
			if last := len(out) - 1; last >= 0 && random.IntN(3) == 0 {
				if joint, ok := joined(out[last], part); ok {
					out[last] = joint
					continue
				}
			}
			out = append(out, part)
		}
	}
	return out
}

// push is a body of Loki's; other fields than streams keep it as it is.
type push struct {
	Streams []json.RawMessage `json:"streams"`
}

// items are the parts of a body that may travel apart, and what makes a body
// of some of them; ok is false when it has none.
func items(req Request) (parts []json.RawMessage, assemble func([]json.RawMessage) any, ok bool) {
	switch req.Path {
	case "/ingest/alertmanager/events", "/api/v2/alerts":
		if json.Unmarshal(req.Body, &parts) != nil || len(parts) == 0 {
			return nil, nil, false
		}
		return parts, func(some []json.RawMessage) any { return some }, true
	case "/loki/api/v1/push":
		var all map[string]json.RawMessage
		var body push
		if json.Unmarshal(req.Body, &all) != nil || len(all) != 1 || json.Unmarshal(req.Body, &body) != nil || len(body.Streams) == 0 {
			return nil, nil, false
		}
		return body.Streams, func(some []json.RawMessage) any { return push{some} }, true
	}
	return nil, nil, false
}

// split makes one request of each part of a body.
func split(req Request) []Request {
	parts, assemble, ok := items(req)
	if !ok {
		return []Request{req}
	}
	out := make([]Request, 0, len(parts))
	for i := range parts {
		one, ok := with(req, assemble(parts[i:i+1]))
		if !ok {
			return []Request{req}
		}
		out = append(out, one)
	}
	return out
}

// joined makes one request of two neighbours, when their bodies can be joined.
func joined(a, b Request) (Request, bool) {
	if a.Path != b.Path || a.Method != b.Method || b.At.Sub(a.At).Abs() > joinWithin {
		return Request{}, false
	}
	first, assemble, ok := items(a)
	second, _, okToo := items(b)
	if !ok || !okToo {
		return Request{}, false
	}
	joint, ok := with(a, assemble(slices.Concat(first, second)))
	if b.At.After(joint.At) {
		joint.At = b.At
	}
	return joint, ok
}

func with(req Request, body any) (Request, bool) {
	text, err := json.Marshal(body)
	req.Body = text
	return req, err == nil
}

package correlate

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// digest hashes values with their lengths, so that no two sequences of values
// look alike.
type digest struct{ h hash.Hash }

func newDigest() digest { return digest{sha256.New()} }

func (d digest) int(n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	d.h.Write(b[:])
}

func (d digest) bytes(b []byte) {
	d.int(int64(len(b)))
	d.h.Write(b)
}

func (d digest) text(s string) { d.bytes([]byte(s)) }

func (d digest) time(t time.Time) {
	d.int(t.Unix())
	d.int(int64(t.Nanosecond()))
}

func (d digest) sum() string { return hex.EncodeToString(d.h.Sum(nil)[:16]) }

// digestOf is a digest of a timeline without its revision and aliases, which
// tell of its history and not of what happened.
func digestOf(t *timeline.Timeline) string {
	bare := *t
	bare.Incident.Revision, bare.Incident.Aliases = 0, []event.ID{}
	d := newDigest()
	// A timeline is made of strings, numbers and times within range: it always
	// encodes.
	body, err := json.Marshal(bare)
	if err != nil {
		panic("correlate: a timeline does not encode: " + err.Error())
	}
	d.bytes(body)
	return d.sum()
}

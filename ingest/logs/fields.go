package logs

import (
	"slices"
	"unicode/utf8"

	"github.com/hindcast/hindcast/ingest/event"
)

// role is what a field of a line (a key of logfmt or JSON, or of structured
// metadata) means. A field can have several.
type role uint16

const (
	// roleVaries: the value differs from line to line and is masked whole.
	roleVaries role = 1 << iota
	// roleStatus: an HTTP status, masked to its class.
	roleStatus
	roleService
	roleEnvironment
	roleVersion
	roleLevel
	roleTrace
	roleUpstream
	// roleMessage: the field of a JSON line that says in words what happened.
	roleMessage
	// roleDetail: a field of a JSON line that is part of its pattern beside
	// the message.
	roleDetail
	// roleError: a field that, when it has a value, tells of an error.
	roleError
)

// field is what is known of a field's name. Of several fields of one role the
// one with the lowest rank counts, of those with the same the first.
type field struct {
	roles role
	rank  uint8
}

// The names are squashed: see squash. "peer.service", "peer_service" and
// "peerService" are one.
var (
	variesNames = []string{
		"id", "ids", "uid", "uuid", "guid", "traceid", "trace", "traceparent", "span", "spanid", "rid", "reqid",
		"sid", "session", "token", "accesstoken", "apikey", "password", "secret", "nonce", "cookie",
		"user", "username", "login", "email", "ip", "clientip", "remoteaddr", "remoteip",
		"ts", "time", "timestamp", "date", "datetime", "pid", "tid", "goid",
		"etag", "hash", "sha", "sha256", "commit", "revision", "digest", "checksum", "fingerprint", "cursor",
		"version", "serviceversion", "appversion", "release", "build", "imagetag",
		"duration", "elapsed", "took", "latency", "dur", "responsetime", "uptime", "age",
	}
	statusNames = []string{"status", "statuscode", "httpstatus", "httpstatuscode", "httpresponsestatuscode", "responsestatus", "responsecode", "respstatus", "code"}
	traceNames  = []string{"traceid", "trace", "oteltraceid", "ddtraceid", "xb3traceid", "traceparent"}
	// upstreamNames hold the name or address of what was called.
	upstreamNames = []string{
		"upstream", "upstreamservice", "upstreamhost", "upstreamcluster", "peer", "peerservice", "peername",
		"target", "targetservice", "destination", "destinationservice", "downstream", "downstreamservice",
		"remote", "remoteservice", "callee", "serveraddress", "netpeername",
	}
	messageNames = []string{"msg", "message", "body", "textpayload", "log", "text", "short_message", "m", "mt"}
	detailNames  = []string{
		"error", "err", "exception", "cause", "reason", "errormessage", "errormsg", "errortype", "errorkind", "errorcode",
		"exceptiontype", "exceptionmessage", "exceptionclass", "errmessage", "errmsg", "errtype", "errcode",
		"event", "eventtype", "code", "status", "statuscode", "httpstatuscode", "method", "route", "httproute", "path",
	}
	errorNames = []string{"error", "err", "exception", "errormessage", "errormsg", "exceptionmessage", "exceptiontype", "errmessage", "errmsg", "errtype", "errortype", "stacktrace"}

	// vagueNames are labels that name a service or an environment, but as a
	// word of a line mean all sorts of things.
	vagueNames = []string{"deployment", "component", "container", "workload", "job", "tier", "stage", "priority"}
)

// fieldTable finds fields by name. It is immutable.
type fieldTable struct {
	fields map[string]field
	// lengths has a bit for each length of a name that begins with a letter: it
	// saves looking up most words that are no field.
	lengths [256]uint64
}

func newFieldTable(m event.LabelMap) *fieldTable {
	t := &fieldTable{fields: map[string]field{}}
	t.add(roleVaries, 0, false, variesNames...)
	t.add(roleStatus, 0, false, statusNames...)
	t.add(roleMessage, 1, true, messageNames...)
	t.add(roleDetail, 0, false, detailNames...)
	t.add(roleError, 0, false, errorNames...)
	t.add(roleTrace, 1, true, traceNames...)
	t.add(roleUpstream, 0, false, upstreamNames...)
	t.add(roleService, 1, true, lineNames(m.Service)...)
	t.add(roleEnvironment, 1, true, lineNames(m.Environment)...)
	t.add(roleVersion, 1, true, lineNames(m.Version)...)
	t.add(roleLevel, 1, true, append(lineNames(m.Level), "loglevel", "levelname")...)
	return t
}

// lineNames leaves out the names that are too vague to be trusted in a line.
func lineNames(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(vagueNames, n) })
}

// add gives names a role; ranked ones in the order of the list.
func (t *fieldTable) add(r role, rank uint8, ranked bool, names ...string) {
	var buf [maxFieldName]byte
	for i, n := range names {
		key := squash(&buf, n)
		if len(key) == 0 {
			continue
		}
		f := t.fields[string(key)]
		f.roles |= r
		if ranked {
			f.rank = min(rank+uint8(min(i, 200)), 250)
		}
		t.fields[string(key)] = f
		t.lengths[key[0]] |= 1 << len(key)
	}
}

// maxFieldName is the length from which a name is no field's, when squashed.
const maxFieldName = 48

// squash writes a name in lower case without what joins its words. A name that
// is too long is "".
func squash[T string | []byte](buf *[maxFieldName]byte, name T) []byte {
	n := 0
	for i := range len(name) {
		c := name[i]
		if c >= 0x80 || !isAlnum(c) {
			continue
		}
		if n == maxFieldName {
			return nil
		}
		buf[n] = lower(c)
		n++
	}
	return buf[:n]
}

// lookUp finds a field by name; the zero field when it is none.
func lookUp[T string | []byte](t *fieldTable, name T) field {
	var buf [maxFieldName]byte
	key := squash(&buf, name)
	if len(key) == 0 || t.lengths[key[0]]&(1<<len(key)) == 0 {
		return field{}
	}
	return t.fields[string(key)]
}

// endsInID reports whether a name ends in id, as a word: order_id, orderId,
// order.ids.
func endsInID[T string | []byte](name T) bool {
	n := len(name)
	if n > 3 && name[n-1] == 's' {
		n--
	}
	if n < 3 || name[n-1]|0x20 != 'd' || name[n-2]|0x20 != 'i' {
		return false
	}
	switch before := name[n-3]; {
	case before == '_' || before == '-' || before == '.':
		return true
	default:
		return name[n-2] == 'I' && isLower(before)
	}
}

// facet is one value that fields compete for.
type facet struct {
	value string
	rank  uint8
}

func (f *facet) take(value string, rank uint8) {
	if f.value == "" || rank < f.rank {
		f.value, f.rank = value, rank
	}
}

// facets is what fields say of their line.
type facets struct {
	service, environment, version, trace facet
	level                                event.Level
	levelRank                            uint8
	upstreams                            []string
	// troubled says that a field tells of an error.
	troubled bool
}

// reset forgets everything but the memory of upstreams.
func (f *facets) reset() { *f = facets{upstreams: f.upstreams[:0]} }

// lock makes what is known outrank all that comes.
func (f *facets) lock() {
	f.service.rank, f.environment.rank, f.version.rank, f.trace.rank, f.levelRank = 0, 0, 0, 0, 0
}

// maxFacet bounds a service's, environment's, version's or trace's name, in
// bytes. What is longer, or no UTF-8, is none.
const maxFacet = 128

// take looks at a field. numbers says that a number may be a level, as in JSON.
func (f *facets) take(fd field, value string, numbers bool) {
	if value == "" {
		return
	}
	if fd.roles&roleError != 0 && tellsOfError(value) {
		f.troubled = true
	}
	if len(value) > maxFacet || !utf8.ValidString(value) {
		return
	}
	if fd.roles&roleService != 0 && isName(value) && known(value) != "" {
		f.service.take(value, fd.rank)
	}
	if fd.roles&roleEnvironment != 0 && isName(value) {
		f.environment.take(value, fd.rank)
	}
	if fd.roles&roleVersion != 0 && isVersion(value) {
		f.version.take(value, fd.rank)
	}
	if fd.roles&roleTrace != 0 {
		if id := traceID(value); id != "" {
			f.trace.take(id, fd.rank)
		}
	}
	if fd.roles&roleLevel != 0 && (numbers || !isDigit(value[0])) {
		if l := ParseLevel(value); l != event.LevelUnknown && (f.level == event.LevelUnknown || fd.rank < f.levelRank) {
			f.level, f.levelRank = l, fd.rank
		}
	}
	if fd.roles&roleUpstream != 0 {
		if name := serviceName(value); name != "" {
			f.upstreams = addName(f.upstreams, name)
		}
	}
}

// isName reports whether a value can be the name of a service or environment:
// it has a letter and no white space.
func isName(s string) bool {
	letter := false
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == '<' || c == '{' || c == '%' {
			return false
		}
		letter = letter || isAlnum(c) && !isDigit(c) || c >= 0x80
	}
	return letter && s != "null" && s != "nil" && s != "none"
}

// isVersion reports whether a value can be a version: it has a digit and no
// white space.
func isVersion(s string) bool {
	digit := false
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == '<' {
			return false
		}
		digit = digit || isDigit(s[i])
	}
	return digit
}

// traceID is the trace's ID in a value: the value, of a W3C traceparent its
// second part, "" where a flag or a word stands instead of an ID.
func traceID(s string) string {
	if len(s) == 55 && s[2] == '-' && s[35] == '-' && s[52] == '-' {
		s = s[3:35]
	}
	varied := false
	for i := range len(s) {
		if s[i] <= ' ' {
			return ""
		}
		varied = varied || isDigit(s[i]) && s[i] != '0' || i > 0 && s[i] != s[0] && isHex(s[i])
	}
	if len(s) < 4 || !varied {
		return ""
	}
	switch s {
	case "true", "false", "null", "none", "enabled", "disabled":
		return ""
	}
	return s
}

package logs

import (
	"net/netip"
	"slices"
	"strings"
)

// upstreamsIn adds the services that a text names as called. It knows these
// forms, where X is the name, and no others: what is not seen costs an edge of
// the topology, what is seen wrongly glues strangers.
//
//	upstream X timeout / timed out / returned … / reset … / slow / failed …   (downstream X alike)
//	upstream 500 from X; 503 from X
//	X returned 503, where X has a dash or ends in service, svc or api
//	calling X failed / timed out / returned … / :
//	call to X, calls to X, request to X, connection to X, connect to X,
//	connecting to X, handshake to X, handshake with X
//	dial tcp: lookup X; dial tcp X:8080; getaddrinfo ENOTFOUND X;
//	Could not resolve host: X; UnknownHostException: X
//	Post "https://X/…": …
func upstreamsIn(s string, names []string) []string {
	s = s[:min(len(s), guessWindow)]
	for i := 0; i < len(s) && len(names) < maxUpstreams; {
		from, to := nextWord(s, i)
		if from == to {
			break
		}
		i = to
		if to-from >= len(unknownHost) && strings.HasSuffix(s[from:to], unknownHost) {
			if name := target(strings.TrimPrefix(s[to:], ":")); name != "" {
				names = addName(names, name)
			}
			continue
		}
		if to-from < 3 || !startsForm[s[from]] || from > 0 && (s[from-1] == '=' || s[from-1] == '/') {
			continue
		}
		if name := calledAt(s, from, to); name != "" {
			names = addName(names, name)
		}
	}
	return names
}

// unknownHost is Java's exception, with or without its package.
const unknownHost = "UnknownHostException"

// startsForm has the first letters of the words that begin a form.
var startsForm = func() (t [256]bool) {
	for _, c := range []byte("uUdDfFrRcChHgGpP") {
		t[c] = true
	}
	return t
}()

// calledAt is the service that is named as called by what begins with the word
// [from, to).
func calledAt(s string, from, to int) string {
	word, behind := s[from:to], s[to:]
	switch word[0] | 0x20 {
	case 'u':
		if equalFold(word, "upstream") {
			return verbed(behind)
		}
	case 'd':
		if equalFold(word, "downstream") {
			return verbed(behind)
		}
		if word == "Delete" {
			return requested(behind)
		}
		if word == "dial" && strings.HasPrefix(behind, " tcp") {
			rest := strings.TrimPrefix(behind[4:], ":")
			if lookup, ok := strings.CutPrefix(rest, " lookup"); ok {
				rest = lookup
			}
			return target(rest)
		}
	case 'f':
		if equalFold(word, "from") && isFailedStatus(lastWord(s[:from])) {
			return target(behind)
		}
	case 'r':
		if equalFold(word, "returned") && isFailedStatus(firstWord(behind)) {
			if name := lastWord(s[:from]); looksLikeService(name) {
				return plausible(name)
			}
		}
		if equalFold(word, "request") {
			return linked(behind, " to")
		}
	case 'c':
		switch {
		case equalFold(word, "calling"):
			return verbed(behind)
		case equalFold(word, "call"), equalFold(word, "calls"), equalFold(word, "connection"), equalFold(word, "connect"), equalFold(word, "connecting"):
			return linked(behind, " to")
		case word == "Could" && strings.HasPrefix(behind, " not resolve host:"):
			return target(behind[len(" not resolve host:"):])
		}
	case 'h':
		if equalFold(word, "handshake") {
			return first(linked(behind, " to"), linked(behind, " with"))
		}
		if word == "Head" {
			return requested(behind)
		}
	case 'g', 'p':
		switch word {
		case "Get", "Post", "Put", "Patch":
			return requested(behind)
		case "getaddrinfo":
			if _, to := nextWord(behind, 0); strings.HasPrefix(behind, " E") {
				return target(behind[to:])
			}
		}
	}
	return ""
}

func equalFold(word, to string) bool { return len(word) == len(to) && strings.EqualFold(word, to) }

// target is the name at the beginning of s.
func target(s string) string {
	from, to := nextWord(s, 0)
	if from == to || strings.Trim(s[:from], ` "'`+"`") != "" || from > 3 {
		return ""
	}
	if to < len(s) && (s[to] == '(' || s[to] == '=' || s[to] == '@') {
		return ""
	}
	return plausible(s[from:to])
}

// linked is the name behind a preposition.
func linked(s, preposition string) string {
	rest, ok := strings.CutPrefix(s, preposition)
	if !ok || !strings.HasPrefix(rest, " ") {
		return ""
	}
	return target(rest)
}

// verbed is the name at the beginning of s when a word of failure follows.
func verbed(s string) string {
	from, to := nextWord(s, 0)
	name := target(s)
	if name == "" {
		return ""
	}
	rest := strings.TrimLeft(s[to:], `"'`)
	if strings.HasPrefix(rest, ":") && from > 0 {
		return name
	}
	switch strings.ToLower(firstWord(rest)) {
	case "timeout", "timed", "returned", "returns", "responded", "reset", "resets", "slow", "unavailable", "unreachable",
		"failed", "failing", "fails", "refused", "refusing", "errored", "down", "unhealthy", "is", "not", "closed", "rejected", "throttled", "overloaded":
		return name
	}
	return ""
}

// requested is the host of the quoted URL at the beginning of s, as Go's HTTP
// client writes it.
func requested(s string) string {
	for _, scheme := range [...]string{` "http://`, ` "https://`} {
		if rest, ok := strings.CutPrefix(s, scheme); ok {
			if end := strings.IndexByte(rest, '"'); end > 0 && strings.HasPrefix(rest[end:], `":`) {
				return serviceName(rest[:end])
			}
		}
	}
	return ""
}

// firstWord and lastWord are "" when anything but white space, quotes or
// brackets stands between.
func firstWord(s string) string {
	from, to := nextWord(s, 0)
	if from > 3 {
		return ""
	}
	return s[from:to]
}

func lastWord(s string) string {
	s = strings.TrimRight(s, " \"'`")
	from := len(s)
	for from > 0 && (isAlnum(s[from-1]) && s[from-1] < 0x80 || strings.IndexByte("_-.", s[from-1]) >= 0) {
		from--
	}
	return s[from:]
}

func isFailedStatus(s string) bool { return isStatus(s) && s[0] >= '4' }

// looksLikeService reports whether a word is a service's name by its form.
func looksLikeService(s string) bool {
	l := strings.ToLower(s)
	return strings.Contains(l, "-") || strings.HasSuffix(l, "service") && l != "service" || strings.HasSuffix(l, "svc") && l != "svc" || strings.HasSuffix(l, "api") && l != "api"
}

// plausible is the service's name in a word of a sentence, "" for words that
// stand where a name could.
func plausible(word string) string {
	name := serviceName(word)
	if name == "" {
		return ""
	}
	switch strings.ToLower(name) {
	case "a", "an", "the", "this", "that", "our", "its", "is", "was", "has", "had", "be", "it", "all", "any", "no", "not", "which", "and", "or", "for", "to", "on", "in", "at", "by", "with", "from",
		"call", "calls", "request", "requests", "response", "responses", "connection", "connections", "connect", "error", "errors", "timeout", "timed", "host", "server", "servers", "service", "services",
		"peer", "client", "clients", "consumer", "consumers", "producer", "producers", "remote", "upstream", "upstreams", "downstream", "backend", "cluster", "endpoint", "address", "port", "socket", "broker", "leader", "node", "pod", "proxy", "gateway-timeout",
		"database", "db", "cache", "queue", "broken", "prematurely", "sent", "closed", "reset", "failed", "returned", "read", "write", "http", "https", "tcp", "udp", "tls", "ssl", "api", "url",
		"method", "function", "undefined", "unknown", "null", "nil", "none", "new", "old", "external", "internal", "other", "another", "one", "same", "each", "process", "complete", "finish", "open", "close", "unhealthy", "slow":
		return ""
	}
	if isUpper(word[0]) && !looksLikeService(word) {
		return "" // the beginning of a sentence, a class, a constant
	}
	return name
}

// serviceName is the short name of a service in a value that is its name, its
// address or its URL: the first label of a host. Hosts without a name (an
// address, localhost) and what is no name at all are "".
func serviceName(value string) string {
	if i := strings.LastIndexByte(value, '|'); i >= 0 { // Envoy's outbound|8080||payments.shop.svc.cluster.local
		value = value[i+1:]
	}
	if i := strings.Index(value, "://"); i >= 0 {
		value = value[i+3:]
		if at := strings.LastIndexByte(value[:hostEnd(value)], '@'); at >= 0 {
			value = value[at+1:]
		}
	}
	value = value[:hostEnd(value)]
	if isAddress(value) {
		return ""
	}
	if i := strings.LastIndexByte(value, ':'); i >= 0 {
		value = value[:i]
	}
	if len(value) > 253 || isAddress(value) {
		return ""
	}
	name, _, _ := strings.Cut(value, ".")
	if len(name) < 2 || len(name) > 63 || name == "localhost" {
		return ""
	}
	letter := false
	for i := range len(name) {
		c := name[i]
		if !isAlnum(c) && c != '-' && c != '_' {
			return ""
		}
		letter = letter || isAlnum(c) && !isDigit(c)
	}
	switch strings.ToLower(name) {
	case "true", "false", "null", "nil", "none", "unknown", "yes", "no", "on", "off":
		return ""
	}
	if !letter || !isAlnum(name[0]) {
		return ""
	}
	return name
}

// isAddress reports whether a host is an IP address.
func isAddress(host string) bool {
	if host == "" || !isDigit(host[0]) && strings.IndexByte(host, ':') < 0 {
		return false
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// hostEnd is where the host and port of an address end.
func hostEnd(s string) int {
	if i := strings.IndexAny(s, `/?#," `); i >= 0 {
		return i
	}
	return len(s)
}

// addName keeps names without doubles.
func addName(names []string, name string) []string {
	if slices.Contains(names, name) || len(names) >= maxUpstreams {
		return names
	}
	return append(names, name)
}

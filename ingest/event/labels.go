package event

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Labels are the names and values that a sender gave to an alert, a stream or
// an event. A nil map is an empty set. Labels are read only once they are part
// of a fact.
type Labels map[string]string

// Fingerprint identifies an alert by its labels. It equals the fingerprint
// that Prometheus and Alertmanager compute (github.com/prometheus/common/model,
// FNV-1a over the sorted names and values). Its text is 16 hex digits, as in
// Alertmanager's webhook and API; the event recorder writes it in decimal.
type Fingerprint uint64

// Fingerprint computes the labels' fingerprint. Empty values are dropped, as
// Prometheus and Alertmanager do before they compare label sets.
func (l Labels) Fingerprint() Fingerprint {
	const (
		offset    = 14695981039346656037
		prime     = 1099511628211
		separator = 255
	)
	sum := uint64(offset)
	add := func(s string) {
		for i := range len(s) {
			sum = (sum ^ uint64(s[i])) * prime
		}
		sum = (sum ^ separator) * prime
	}
	var few [32]string // alerts rarely have more: this spares an allocation
	for _, name := range l.appendNames(few[:0]) {
		if l[name] == "" {
			continue
		}
		add(name)
		add(l[name])
	}
	return Fingerprint(sum)
}

// Names are the labels' names in ascending order.
func (l Labels) Names() []string { return l.appendNames(make([]string, 0, len(l))) }

func (l Labels) appendNames(to []string) []string {
	for name := range l {
		to = append(to, name)
	}
	slices.Sort(to)
	return to
}

// First is the value of the first of the names that has one that is not
// empty, else "".
func (l Labels) First(names ...string) string {
	for _, n := range names {
		if v := l[n]; v != "" {
			return v
		}
	}
	return ""
}

// Or is the labels, and those of defaults whose names have no value in them.
// Neither set is changed.
func (l Labels) Or(defaults Labels) Labels {
	var or Labels
	for name, value := range defaults {
		if value == "" || l[name] != "" {
			continue
		}
		if or == nil {
			or = make(Labels, len(l)+len(defaults))
			maps.Copy(or, l)
		}
		or[name] = value
	}
	if or == nil {
		return l
	}
	return or
}

// String writes the labels as Prometheus does: {a="1", b="2"}.
func (l Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, n := range l.Names() {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s=%q", n, l[n])
	}
	b.WriteByte('}')
	return b.String()
}

// String is the fingerprint's 16 hex digits.
func (f Fingerprint) String() string { return fmt.Sprintf("%016x", uint64(f)) }

// ParseFingerprint reads 16 hex digits.
func ParseFingerprint(text string) (Fingerprint, error) {
	v, err := strconv.ParseUint(text, 16, 64)
	if err != nil || len(text) != 16 {
		return 0, fmt.Errorf("%q is not a fingerprint: want 16 hex digits", clip(text, 40))
	}
	return Fingerprint(v), nil
}

// MarshalText writes the fingerprint as String does.
func (f Fingerprint) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads the fingerprint as ParseFingerprint does.
func (f *Fingerprint) UnmarshalText(text []byte) error {
	v, err := ParseFingerprint(string(text))
	if err != nil {
		return err
	}
	*f = v
	return nil
}

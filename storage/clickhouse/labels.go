package clickhouse

import (
	"encoding/json"

	"github.com/hindcast/hindcast/ingest/event"
)

// labelsJSON writes labels as a JSON object, their names in ascending order; ""
// for none. Bytes that are not UTF-8 become U+FFFD.
func labelsJSON(l event.Labels) string {
	if len(l) == 0 {
		return ""
	}
	b := make([]byte, 0, 32*len(l))
	b = append(b, '{')
	for i, name := range l.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, name)
		b = append(b, ':')
		b = appendJSON(b, l[name])
	}
	return string(append(b, '}'))
}

// appendJSON writes a string. Most have nothing to escape.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // a string always encodes
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

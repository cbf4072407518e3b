package clickhouse

import (
	"encoding/json"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
)

// labelsJSON writes labels as a JSON object, their names in ascending order; ""
// for none. Bytes that are not UTF-8 become characters that stand for them: see
// [event.EscapeText].
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
			quoted, err := json.Marshal(event.EscapeText(s))
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

// decodeLabels reads what labelsJSON wrote, and leaves labels nil for none.
func decodeLabels(text string, labels *event.Labels) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), labels); err != nil {
		return fmt.Errorf("decode labels of a line: %w", err)
	}
	if event.UnescapeText(text) == text {
		return nil
	}
	plain := make(event.Labels, len(*labels))
	for name, value := range *labels {
		plain[event.UnescapeText(name)] = event.UnescapeText(value)
	}
	*labels = plain
	return nil
}

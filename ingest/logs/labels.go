package logs

import (
	"fmt"
	"strconv"
	"strings"
)

// pair is a label as it was sent.
type pair struct{ name, value string }

// parseLabels reads a stream's labels as Loki's clients write them in
// protobuf: {a="b", c="d"}, the values quoted as in Go ("…" or `…`). Names may
// be quoted too, as Prometheus does where they are not identifiers. Braces
// with nothing between them, and nothing at all, are an empty set.
func parseLabels(text string) ([]pair, error) {
	p := labelParser{rest: strings.TrimSpace(text)}
	if p.rest == "" {
		return nil, nil
	}
	if !p.take('{') {
		return nil, p.want("{")
	}
	var pairs []pair
	for {
		p.space()
		if p.take('}') {
			break
		}
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.take('=') {
			return nil, p.want("=")
		}
		p.space()
		value, err := p.quoted()
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, pair{name, value})
		p.space()
		if !p.take(',') && !strings.HasPrefix(p.rest, "}") {
			return nil, p.want(", or }")
		}
	}
	if p.space(); p.rest != "" {
		return nil, p.want("the end")
	}
	return pairs, nil
}

// labelParser eats its rest from the left.
type labelParser struct{ rest string }

func (p *labelParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *labelParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *labelParser) want(what string) error {
	return fmt.Errorf("labels: want %s at %q", what, clipRunes(p.rest, 40))
}

func (p *labelParser) name() (string, error) {
	if p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '`') {
		return p.quoted()
	}
	n := strings.IndexAny(p.rest, "=!~,{}\"` \t\r\n")
	if n <= 0 {
		return "", p.want("a name")
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	return name, nil
}

func (p *labelParser) quoted() (string, error) {
	if p.rest == "" || (p.rest[0] != '"' && p.rest[0] != '`') {
		return "", p.want("a quoted value")
	}
	quote := p.rest[0]
	escaped := false
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && quote == '"':
			escaped = true
			i++
		case c == quote:
			value := p.rest[1:i]
			if escaped {
				var err error
				if value, err = strconv.Unquote(p.rest[:i+1]); err != nil {
					return "", p.want("a value quoted as in Go")
				}
			}
			p.rest = p.rest[i+1:]
			return value, nil
		}
	}
	return "", p.want("a closing quote")
}

package api

import (
	"strconv"
	"strings"
)

// negotiate picks the offer that an Accept header likes best, by RFC 9110: the
// most specific range that covers an offer gives its quality, and quality 0
// refuses it. Of equal quality, the offer that was named more specifically
// wins, then the one that was named first, then the one that is offered first.
// An absent header, or one without a single readable range, takes the first
// offer. It is "" when every offer is refused.
func negotiate(accept string, offers ...string) string {
	ranges := parseAccept(accept)
	if len(ranges) == 0 {
		return offers[0]
	}
	best, bestRange := "", mediaRange{}
	for _, offer := range offers {
		r, covered := mostSpecific(ranges, offer)
		if covered && r.quality > 0 && (best == "" || r.better(bestRange)) {
			best, bestRange = offer, r
		}
	}
	return best
}

// mediaRange is one element of an Accept header.
type mediaRange struct {
	kind    string // "text/markdown", "text/*" or "*/*"
	quality float64
	place   int
}

// maxRanges bounds what is read of a header: nobody has more.
const maxRanges = 64

func parseAccept(accept string) []mediaRange {
	var ranges []mediaRange
	for element := range strings.SplitSeq(accept, ",") {
		kind, params, _ := strings.Cut(element, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		if kind == "*" {
			kind = "*/*" // as Java's HttpURLConnection writes it
		}
		if !strings.Contains(kind, "/") || len(ranges) == maxRanges {
			continue
		}
		ranges = append(ranges, mediaRange{kind, quality(params), len(ranges)})
	}
	return ranges
}

// quality reads the q of a media range. Other parameters (charset, variant) do
// not tell our representations apart. One that cannot be read counts as 1.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}

func mostSpecific(ranges []mediaRange, offer string) (mediaRange, bool) {
	var found mediaRange
	covered := false
	for _, r := range ranges {
		if r.covers(offer) && (!covered || r.specificity() > found.specificity()) {
			found, covered = r, true
		}
	}
	return found, covered
}

func (r mediaRange) covers(offer string) bool {
	if prefix, ok := strings.CutSuffix(r.kind, "/*"); ok {
		return prefix == "*" || strings.HasPrefix(offer, prefix+"/")
	}
	return r.kind == offer
}

func (r mediaRange) specificity() int {
	switch {
	case r.kind == "*/*":
		return 0
	case strings.HasSuffix(r.kind, "/*"):
		return 1
	}
	return 2
}

func (r mediaRange) better(than mediaRange) bool {
	if r.quality != than.quality {
		return r.quality > than.quality
	}
	if r.specificity() != than.specificity() {
		return r.specificity() > than.specificity()
	}
	return r.place < than.place
}

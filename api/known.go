package api

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// unknown notes the query parameters that an operation does not have: one that
// is misspelt would otherwise be left out without a word, and the answer be to
// another question. The input's fields say which there are.
func (f *faults) unknown(rawQuery string, input any) {
	sent, _ := url.ParseQuery(rawQuery) // what is not escaped well is left out, as the handlers leave it out
	known := queryNames(reflect.TypeOf(input).Elem())
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		if slices.Contains(known, name) {
			continue
		}
		want := "there is no such parameter here"
		if meant := nearest(name, known); meant != "" {
			want += "; did you mean " + meant + "?"
		} else {
			want += "; there are " + strings.Join(known, ", ")
		}
		f.addNamed(shortened(name), want)
	}
}

func queryNames(input reflect.Type) []string {
	var names []string
	for field := range input.Fields() {
		if name := field.Tag.Get("query"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// nearest is the word that was probably meant; "" when none is near.
func nearest(got string, words []string) string {
	if len(got) > 40 {
		return "" // nothing has so long a name, and distance takes its time
	}
	best, least := "", max(2, len(got)/3)+1
	for _, word := range words {
		if d := distance(strings.ToLower(got), word); d < least {
			best, least = word, d
		}
	}
	return best
}

// distance is how many bytes must be inserted, deleted or replaced to make b of
// a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

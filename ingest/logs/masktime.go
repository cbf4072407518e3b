package logs

import "strings"

// timeAt is where the time stamp at i, which begins with a digit, ends; 0 when
// there is none:
//
//	2006-01-02T15:04:05.000Z   2006/01/02 15:04:05   2006-01-02
//	02/Jan/2006:15:04:05 -0700   15:04:05.000   3:04PM
func timeAt(s string, i int) int {
	switch {
	case digitsAt(s, i, 4) && i+10 <= len(s) && (s[i+4] == '-' || s[i+4] == '/') &&
		digitsAt(s, i+5, 2) && s[i+7] == s[i+4] && digitsAt(s, i+8, 2):
		end := i + 10
		if end < len(s) && (s[end] == 'T' || s[end] == 't' || s[end] == ' ' || s[end] == '_') {
			if clock := clockAt(s, end+1); clock > 0 {
				return zoneAt(s, clock)
			}
		}
		if end < len(s) && classes[s[end]]&isAlnumByte != 0 {
			return 0
		}
		return end
	case digitsAt(s, i, 2) && i+12 < len(s) && s[i+2] == '/' && isMonth(s[i+3:]) && s[i+6] == '/' && digitsAt(s, i+7, 4) && s[i+11] == ':':
		if clock := clockAt(s, i+12); clock > 0 {
			return zoneAt(s, clock)
		}
	}
	if end := clockAt(s, i); end > 0 {
		return zoneAt(s, end)
	}
	return kitchenAt(s, i)
}

// clockAt is where 15:04:05, with or without a fraction, ends.
func clockAt(s string, i int) int {
	if !digitsAt(s, i, 2) || i+8 > len(s) || s[i+2] != ':' || !digitsAt(s, i+3, 2) || s[i+5] != ':' || !digitsAt(s, i+6, 2) {
		return 0
	}
	end := i + 8
	if end+1 < len(s) && (s[end] == '.' || s[end] == ',') && isDigit(s[end+1]) {
		for end++; end < len(s) && isDigit(s[end]); {
			end++
		}
	}
	if end < len(s) && (isDigit(s[end]) || s[end] == ':') {
		return 0
	}
	return end
}

// zoneAt is where the zone behind a clock ends: Z, +07:00, -0700 or, behind a
// space, +0700.
func zoneAt(s string, end int) int {
	z := end
	if z < len(s) && (s[z] == 'Z' || s[z] == 'z') {
		if z+1 == len(s) || classes[s[z+1]]&isAlnumByte == 0 {
			return z + 1
		}
		return end
	}
	if z < len(s) && s[z] == ' ' {
		z++
	}
	if z >= len(s) || (s[z] != '+' && s[z] != '-') || !digitsAt(s, z+1, 2) {
		return end
	}
	z += 3
	if z < len(s) && s[z] == ':' {
		z++
	}
	if !digitsAt(s, z, 2) || z+2 < len(s) && classes[s[z+2]]&isAlnumByte != 0 {
		return end
	}
	return z + 2
}

// kitchenAt is where 3:04PM ends.
func kitchenAt(s string, i int) int {
	n := 1
	if digitsAt(s, i, 2) {
		n = 2
	}
	end := i + n + 5
	if end > len(s) || s[i+n] != ':' || !digitsAt(s, i+n+1, 2) || (s[end-2] != 'A' && s[end-2] != 'P') || s[end-1] != 'M' {
		return 0
	}
	if end < len(s) && classes[s[end]]&isAlnumByte != 0 {
		return 0
	}
	return end
}

// monthTimeAt is where "Jan  2 15:04:05" ends.
func monthTimeAt(s string, i int) int {
	if !isMonth(s[i:]) {
		return 0
	}
	j := i + 4
	if j < len(s) && s[j] == ' ' {
		j++
	}
	day := j
	for j < len(s) && isDigit(s[j]) {
		j++
	}
	if j == day || j-day > 2 || j >= len(s) || s[j] != ' ' {
		return 0
	}
	return clockAt(s, j+1)
}

func isMonth(s string) bool {
	return len(s) >= 3 && isUpper(s[0]) && strings.Contains("JanFebMarAprMayJunJulAugSepOctNovDec", s[:3])
}

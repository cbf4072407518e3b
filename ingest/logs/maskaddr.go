package logs

import (
	"net/netip"
	"strings"
)

// address recognizes a UUID, a hardware address or an IP address at i.
func (m *masker) address(s string, i int) (mask string, end int) {
	first := i
	for first < len(s) && first-i < 9 && isHex(s[first]) {
		first++
	}
	if first == len(s) {
		return "", 0
	}
	switch c := s[first]; {
	case c == '-' && first-i == 8:
		if isUUID(s[i:]) {
			return anyNumber, i + 36
		}
	case (c == ':' || c == '-') && first-i == 2 && isHardware(s[i:], c):
		return anyNumber, i + 17
	case c == '.' && first-i <= 3:
		if end := ipv4At(s, i); end > 0 {
			return anyIP, portAt(s, end)
		}
	}
	if s[first] == ':' && first-i <= 4 {
		if end := ipv6At(s, i); end > 0 {
			return anyIP, end
		}
	}
	return "", 0
}

// goesOn reports whether a byte continues the word before it: a letter, a
// digit, or the placeholder of some.
func goesOn(c byte) bool { return classes[c]&isAlnumByte != 0 || c == '<' }

func isUUID(s string) bool {
	if len(s) < 36 || len(s) > 36 && goesOn(s[36]) {
		return false
	}
	for k := range 36 {
		if k == 8 || k == 13 || k == 18 || k == 23 {
			if s[k] != '-' {
				return false
			}
		} else if !isHex(s[k]) {
			return false
		}
	}
	return true
}

func isHardware(s string, sep byte) bool {
	if len(s) < 17 || len(s) > 17 && (goesOn(s[17]) || s[17] == sep) {
		return false
	}
	for k := range 17 {
		if k%3 == 2 {
			if s[k] != sep {
				return false
			}
		} else if !isHex(s[k]) {
			return false
		}
	}
	return true
}

// ipv4At is where the IPv4 address at i ends, 0 when there is none.
func ipv4At(s string, i int) int {
	for part := range 4 {
		n, k := 0, i
		for k < len(s) && isDigit(s[k]) && k-i < 3 {
			n = n*10 + int(s[k]-'0')
			k++
		}
		if k == i || n > 255 {
			return 0
		}
		i = k
		if part < 3 {
			if i >= len(s) || s[i] != '.' {
				return 0
			}
			i++
		}
	}
	if i < len(s) && (classes[s[i]]&isAlnumByte != 0 || s[i] == '.' && i+1 < len(s) && isDigit(s[i+1])) {
		return 0
	}
	return i
}

// portAt is where the port behind an address ends.
func portAt(s string, end int) int {
	if end+1 < len(s) && s[end] == ':' && isDigit(s[end+1]) {
		for end++; end < len(s) && isDigit(s[end]); {
			end++
		}
	}
	return end
}

// ipv6At is where the IPv6 address at i ends, 0 when there is none. One
// without a digit is taken for words.
func ipv6At(s string, i int) int {
	j, colons, digit := i, 0, false
	for j < len(s) && j-i < 40 && (isHex(s[j]) || s[j] == ':' || s[j] == '.') {
		if s[j] == ':' {
			colons++
		}
		digit = digit || isDigit(s[j])
		j++
	}
	if j < len(s) && goesOn(s[j]) {
		return 0 // also behind a full stop: masked, what follows would be no part of it any more
	}
	for j > i && (s[j-1] == '.' || s[j-1] == ':' && !strings.HasSuffix(s[i:j], "::")) {
		j-- // the end of a sentence
	}
	if colons < 2 || !digit {
		return 0
	}
	if _, err := netip.ParseAddr(s[i:j]); err != nil {
		return 0
	}
	if j < len(s) && s[j] == '%' { // fe80::1%eth0
		for j++; j < len(s) && classes[s[j]]&isAlnumByte != 0; {
			j++
		}
	}
	return j
}

// doubleColon handles an IPv6 address that begins with "::".
func (m *masker) doubleColon(s string, i int) int {
	if end := ipv6At(s, i); end > 0 {
		m.put(anyIP)
		return end
	}
	m.put("::")
	m.run = len(m.out)
	return i + 2
}

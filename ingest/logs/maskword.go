package logs

import "strings"

// word masks the run of ASCII letters and digits that begins at i, with what
// belongs to it, and returns where it ends.
func (m *masker) word(s string, i int) int {
	j := i
	for j < len(s) && classes[s[j]]&isLetterByte != 0 {
		j++
	}
	if j == len(s) || classes[s[j]]&isDigitByte == 0 {
		return m.letters(s, i, j)
	}
	if m.atBoundary() {
		if mask, end := m.address(s, i); end > 0 {
			return m.mask(mask, s, end)
		}
		if j == i {
			if end := timeAt(s, i); end > 0 {
				return m.mask(anyTime, s, end)
			}
		}
	}
	if j == i {
		return m.number(s, i)
	}
	return m.mixed(s, i, j)
}

// mask appends a placeholder for what ends at end, and returns end.
func (m *masker) mask(placeholder, s string, end int) int {
	if placeholder == anyNumber {
		m.putNumber(s, end)
	} else {
		m.put(placeholder)
	}
	return end
}

// letters handles a run without digits: it stays, but for what only looks like
// a word.
func (m *masker) letters(s string, i, j int) int {
	n := j - i
	if j < len(s) && m.atBoundary() {
		switch {
		case n == 3 && s[j] == ' ':
			if end := monthTimeAt(s, i); end > 0 {
				return m.mask(anyTime, s, end)
			}
		case s[j] == ':' && n <= 4 || s[j] == '-' && (n == 8 || n == 2):
			if mask, end := m.address(s, i); end > 0 {
				return m.mask(mask, s, end)
			}
		}
	}
	followed := j < len(s) && s[j] == '<'
	switch {
	case n == podSuffixLen && !followed && m.behindMaskedDash() && isPodSuffix(s[i:j]):
		return m.mask(anyNumber, s, j)
	case n >= 16 && !followed && m.atBoundary() && isRandom(s[i:j]):
		return m.mask(anyNumber, s, restOfRandom(s, i, j))
	case !m.put(s[i:j]) && len(m.out) == 0:
		m.out = append(m.out, s[i:i+m.max]...)
	}
	return j
}

// number masks what begins with a digit.
func (m *masker) number(s string, i int) int {
	p := i
	for p < len(s) && isDigit(s[p]) {
		p++
	}
	j, digits, hex := p, false, true
	for j < len(s) && classes[s[j]]&isAlnumByte != 0 {
		digits = digits || isDigit(s[j])
		hex = hex && isHex(s[j])
		j++
	}
	rest := s[p:j]
	switch {
	case rest == "xx" && p == i+1 && '1' <= s[i] && s[i] <= '5': // 5xx
		m.put(s[i:j])
		return j
	case rest == "" && p == i+3 && isStatus(s[i:p]) && m.behindRequest():
		m.put(statusClass(s[i:p]))
		return j
	case !digits && len(rest) > 4 && !(hex && j-i >= 6) && !(rest[0]|0x20 == 'x' && s[i] == '0'):
		// 404NotFound
		if m.put(anyNumber) {
			m.put(rest)
		}
		return j
	}
	if j-i >= 16 && isRandom(s[i:j]) {
		j = restOfRandom(s, i, j)
	}
	j = chain(s, j)
	if strings.HasPrefix(s[j:], "µs") || strings.HasPrefix(s[j:], "μs") {
		j += len("µs")
	}
	if j < len(s) && s[j] == '%' {
		j++
	}
	m.putNumber(s, j)
	return j
}

// chain goes on behind a number while dots join more to it: 2.3.1, 1m3.5s.
func chain(s string, j int) int {
	for j+1 < len(s) && s[j] == '.' && isDigit(s[j+1]) {
		for j++; j < len(s) && classes[s[j]]&isAlnumByte != 0; {
			j++
		}
	}
	return j
}

// putNumber appends the placeholder of a number that ends at end, without the
// number's sign and as one with the number of a list before it.
func (m *masker) putNumber(s string, end int) {
	n := len(m.out)
	if n > 0 && (m.out[n-1] == '-' || m.out[n-1] == '+') && (n == 1 || strings.IndexByte(" =(,:[", m.out[n-2]) >= 0) {
		m.out = m.out[:n-1]
		m.run = min(m.run, len(m.out))
	}
	if end < len(s) && !endsValue(s[end]) {
		m.put(anyNumber)
		return
	}
	for _, sep := range [...]string{anyNumber + ",", anyNumber + ", "} {
		if strings.HasSuffix(string(m.out[max(0, len(m.out)-len(sep)):]), sep) {
			m.out = m.out[:len(m.out)-len(sep)+len(anyNumber)]
			m.findRun()
			return
		}
	}
	m.put(anyNumber)
}

// mixed handles a run [i, end) whose letters [i, j) are followed by a digit.
func (m *masker) mixed(s string, i, j int) int {
	end, groups, hex := j, 0, true
	for k := i; k < len(s) && classes[s[k]]&isAlnumByte != 0; k++ {
		if isDigit(s[k]) && (k == i || !isDigit(s[k-1])) {
			groups++
		}
		hex = hex && isHex(s[k])
		end = k + 1
	}
	p := j
	for p < end && isDigit(s[p]) {
		p++
	}
	n := end - i
	switch {
	case n >= 16 && isRandom(s[i:end]):
		return m.mask(anyNumber, s, restOfRandom(s, i, end))
	case hex && n >= 6, groups > 1:
		return m.mask(anyNumber, s, chain(s, end))
	case n == podSuffixLen && m.last() == '-' && isPodSuffix(s[i:end]):
		return m.mask(anyNumber, s, end)
	case p < end && n <= 5: // k8s, i18n, log4j
		m.put(s[i:end])
		return end
	case p < end: // ListObjectsV2Request
		if m.put(s[i:j]) && m.put(anyNumber) {
			m.put(s[p:end])
		}
		return end
	}
	if tail := chain(s, end); tail > end || j-i > 4 || p-j > 3 { // python3.11, worker12, v2026
		if m.put(s[i:j]) {
			m.put(anyNumber)
		}
		return tail
	}
	m.put(s[i:end]) // s3, x509, v1
	return end
}

// behindRequest reports whether what was written ends in an access log's
// request, which the status follows: "GET / HTTP/1.1" 502.
func (m *masker) behindRequest() bool {
	return strings.HasSuffix(string(m.out[max(0, len(m.out)-10):]), `HTTP/`+anyNumber+`" `)
}

// behindMaskedDash reports whether what was written ends as a masked part of a
// name does before its last part: payments-<n>-.
func (m *masker) behindMaskedDash() bool {
	return m.last() == '-' && strings.HasSuffix(string(m.out[max(0, len(m.out)-4):]), anyNumber+"-")
}

// podSuffixLen is the length of the random end of a Kubernetes pod's name.
const podSuffixLen = 5

// isPodSuffix reports whether s is of the letters and digits that Kubernetes
// draws names from: no vowels, no 0, 1 or 3.
func isPodSuffix(s string) bool {
	for k := range len(s) {
		if strings.IndexByte("bcdfghjklmnpqrstvwxz2456789", s[k]) < 0 {
			return false
		}
	}
	return true
}

// isRandom reports whether a long word looks drawn at random (base64, base62)
// rather than made of words: upper and lower case and digits alternate more
// often than in anything that is written to be read.
func isRandom(s string) bool {
	s = s[:min(len(s), 64)]
	changes := 0
	for k := 1; k < len(s); k++ {
		if kind(s[k]) != kind(s[k-1]) {
			changes++
		}
	}
	return changes*3 >= len(s)
}

func kind(c byte) int {
	switch {
	case isDigit(c):
		return 0
	case isUpper(c):
		return 1
	}
	return 2
}

// restOfRandom is where base64 ends that has the random word [i, j) in it; of
// a JSON web token, where its last part ends.
func restOfRandom(s string, i, j int) int {
	token := strings.HasPrefix(s[i:], "eyJ")
	for j < len(s) && (classes[s[j]]&isAlnumByte != 0 || strings.IndexByte("+/_-", s[j]) >= 0 || token && s[j] == '.') {
		j++
	}
	for j < len(s) && s[j] == '=' {
		j++
	}
	return j
}

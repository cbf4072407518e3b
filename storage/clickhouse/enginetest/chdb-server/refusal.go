package main

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// Codes of ClickHouse's errors that are told before the engine is asked.
const (
	codeNotImplemented       = 48
	codeSyntaxError          = 62
	codeUnknownSetting       = 115
	codeCannotDecompress     = 271
	codeQueryIsTooLarge      = 498
	codeAuthenticationFailed = 516
	codeUnknownException     = 1002
)

// refusal is an error of the adapter's own, in ClickHouse's words.
type refusal struct {
	code int
	name string
	text string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", r.code, r.text, r.name)
}

var engineCode = regexp.MustCompile(`^Code: (\d+)\.`)

// codeOf is the code of an engine's error, or that of an unknown one.
func codeOf(err error) int {
	var own *refusal
	if errors.As(err, &own) {
		return own.code
	}
	if m := engineCode.FindStringSubmatch(err.Error()); m != nil {
		if code, err := strconv.Atoi(m[1]); err == nil {
			return code
		}
	}
	return codeUnknownException
}

// statusOf is the HTTP status that a server gives an error's code.
func statusOf(code int) int {
	switch code {
	case 6, 27, 26, 32, 38, 41, 43, 44, 53, 62, 72, 117, 130, 131, 386, 441, 456, 457:
		return http.StatusBadRequest // cannot be parsed, or has the wrong type
	case 16, 46, 47, 50, 56, 60, 63, 73, 81, 115:
		return http.StatusNotFound // unknown
	case 159:
		return http.StatusRequestTimeout
	case codeQueryIsTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeNotImplemented:
		return http.StatusNotImplemented
	case codeAuthenticationFailed, 192, 193, 497:
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

package logs

import (
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// levelWords are the words for levels, in lower case. Crit, alert and emerg
// are as bad as fatal; a notice is information.
var levelWords = map[string]event.Level{
	"trace": event.LevelDebug, "trce": event.LevelDebug, "trc": event.LevelDebug, "debug": event.LevelDebug,
	"dbug": event.LevelDebug, "dbg": event.LevelDebug, "verbose": event.LevelDebug, "vrb": event.LevelDebug,
	"fine": event.LevelDebug, "finer": event.LevelDebug, "finest": event.LevelDebug, "d": event.LevelDebug, "t": event.LevelDebug,
	"info": event.LevelInfo, "inf": event.LevelInfo, "information": event.LevelInfo, "informational": event.LevelInfo,
	"notice": event.LevelInfo, "normal": event.LevelInfo, "default": event.LevelInfo, "config": event.LevelInfo, "i": event.LevelInfo, "n": event.LevelInfo,
	"warn": event.LevelWarn, "warning": event.LevelWarn, "wrn": event.LevelWarn, "w": event.LevelWarn,
	"err": event.LevelError, "error": event.LevelError, "eror": event.LevelError, "erro": event.LevelError, "severe": event.LevelError,
	"fail": event.LevelError, "failure": event.LevelError, "e": event.LevelError,
	"crit": event.LevelFatal, "critical": event.LevelFatal, "alert": event.LevelFatal, "emerg": event.LevelFatal,
	"emergency": event.LevelFatal, "fatal": event.LevelFatal, "ftl": event.LevelFatal, "panic": event.LevelFatal,
	"dpanic": event.LevelFatal, "f": event.LevelFatal, "c": event.LevelFatal,
}

// ParseLevel reads the word or number with which a sender names a level.
// Numbers are syslog's (0 emergency to 7 debug), those of pino and bunyan
// (10 trace to 60 fatal), or Monolog's and Python's hundreds (100 debug to
// 600 emergency). What is none is [event.LevelUnknown].
func ParseLevel(text string) event.Level {
	var buf [16]byte
	text = strings.TrimSpace(text)
	if text == "" || len(text) > len(buf) {
		return event.LevelUnknown
	}
	if isDigit(text[0]) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return event.LevelUnknown
		}
		return numericLevel(n)
	}
	for i := range len(text) {
		buf[i] = lower(text[i])
	}
	return levelWords[string(buf[:len(text)])]
}

func numericLevel(n int) event.Level {
	switch {
	case n <= 2:
		return event.LevelFatal
	case n == 3:
		return event.LevelError
	case n == 4:
		return event.LevelWarn
	case n <= 6:
		return event.LevelInfo
	case n == 7:
		return event.LevelDebug
	case n == 10 || n == 20 || n == 100:
		return event.LevelDebug
	case n == 30 || n == 200 || n == 250:
		return event.LevelInfo
	case n == 40 || n == 300:
		return event.LevelWarn
	case n == 50 || n == 400:
		return event.LevelError
	case n == 60 || n == 500 || n == 550 || n == 600:
		return event.LevelFatal
	}
	return event.LevelUnknown
}

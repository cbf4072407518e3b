package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// engine is the running engine. A query finds a session as new, as one over HTTP
// without a session_id does.
type engine struct {
	lib       *library
	args      []string
	first     *session // keeps the engine alive
	slots     chan struct{}
	sessions  sessions
	maxResult int64
	// version and timezone are what the server's greeting says.
	version, timezone string
}

// openEngine loads the library and starts the engine on the folder.
func openEngine(o options) (*engine, error) {
	lib, err := loadLibrary(o.library)
	if err != nil {
		return nil, err
	}
	e := &engine{
		lib: lib, args: []string{"chdb-server", "--path=" + o.folder},
		slots: make(chan struct{}, o.sessions), maxResult: o.maxResult,
	}
	e.first, err = lib.open(e.args...)
	if err != nil {
		return nil, fmt.Errorf("start the engine in %s: %w", o.folder, err)
	}
	a, err := e.first.query("SELECT version(), timezone()", "TSV", nil)
	if err != nil {
		e.close()
		return nil, fmt.Errorf("ask the engine's version: %w", err)
	}
	e.version, e.timezone, _ = strings.Cut(strings.TrimSpace(string(a.bytes())), "\t")
	a.free()
	return e, nil
}

func (e *engine) close() {
	e.sessions.close()
	e.first.close()
}

// call is one query with all that is its own.
type call struct {
	sql      string
	format   string // when the query has no FORMAT
	database string
	settings []param
	params   []param
}

// exec runs a call and hands its answer to use; the answer is gone afterwards.
// It waits for a free slot until ctx ends; a query that runs is not stopped.
func (e *engine) exec(ctx context.Context, c call, use func(*answer)) error {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s, err := e.session(c)
	if err != nil {
		return err
	}
	a, err := s.query(c.sql, c.format, c.params)
	if err != nil || !leavesNoTrace(c) {
		defer s.close()
	} else {
		defer e.sessions.put(s, cap(e.slots))
	}
	if err != nil {
		return err
	}
	defer a.free()
	use(a)
	return nil
}

// session is one with a call's settings and database.
func (e *engine) session(c call) (preparedSession, error) {
	set, err := setStatement(e.defaults(), c.settings)
	if err != nil {
		return preparedSession{}, err
	}
	statements := []string{set}
	if c.database != "" {
		statements = append(statements, "USE "+quoted(c.database, '`'))
	}
	prepared := strings.Join(statements, ";")
	if s, ok := e.sessions.take(prepared); ok {
		return s, nil
	}
	s, err := e.lib.open(e.args...)
	if err != nil {
		return preparedSession{}, err
	}
	for _, sql := range statements {
		a, err := s.query(sql, "Null", nil)
		if err != nil {
			s.close()
			return preparedSession{}, err
		}
		a.free()
	}
	return preparedSession{s, prepared}, nil
}

// defaults are the settings in which the library differs from a server.
func (e *engine) defaults() []param {
	return []param{
		{"implicit_select", "0"},
		{"allow_introspection_functions", "0"},
		{"max_result_bytes", strconv.FormatInt(e.maxResult, 10)},
	}
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// setStatement writes the settings as a SET. A later one wins.
func setStatement(groups ...[]param) (string, error) {
	var b strings.Builder
	b.WriteString("SET ")
	n := 0
	for _, group := range groups {
		for _, s := range group {
			if !settingName.MatchString(s.name) {
				return "", &refusal{code: codeUnknownSetting, name: "UNKNOWN_SETTING", text: fmt.Sprintf("Unknown setting %q", s.name)}
			}
			if n++; n > 1 {
				b.WriteString(", ")
			}
			b.WriteString(s.name + " = " + quoted(s.value, '\''))
		}
	}
	return b.String(), nil
}

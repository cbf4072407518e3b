package main

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libchdb.so, loaded. Its functions may be called by several
// goroutines at once, each with a connection of its own.
type library struct {
	connect       func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	closeConn     func(conn unsafe.Pointer)
	queryParams   func(conn unsafe.Pointer, query unsafe.Pointer, queryLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) unsafe.Pointer
	destroyResult func(result unsafe.Pointer)
	resultBuffer  func(result unsafe.Pointer) unsafe.Pointer
	resultLength  func(result unsafe.Pointer) uintptr
	resultError   func(result unsafe.Pointer) string
	resultWritten func(result unsafe.Pointer) uint64
}

// loadLibrary loads libchdb.so from a path. It takes a second: the file is
// half a gigabyte.
func loadLibrary(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the engine: %w", err)
	}
	l := new(library)
	for name, fn := range map[string]any{
		"chdb_connect":              &l.connect,
		"chdb_close_conn":           &l.closeConn,
		"chdb_query_with_params_n":  &l.queryParams,
		"chdb_destroy_query_result": &l.destroyResult,
		"chdb_result_buffer":        &l.resultBuffer,
		"chdb_result_length":        &l.resultLength,
		"chdb_result_error":         &l.resultError,
		"chdb_result_rows_written":  &l.resultWritten,
	} {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("load the engine from %s: %w", path, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	// The engine's handlers of signals would take the place of the Go
	// runtime's, which needs its own.
	symbol, err := purego.Dlsym(handle, "chdb_set_signal_handlers_enabled")
	if err != nil {
		return nil, fmt.Errorf("load the engine from %s: %w", path, err)
	}
	var setSignalHandlers func(enabled bool)
	purego.RegisterFunc(&setSignalHandlers, symbol)
	setSignalHandlers(false)
	return l, nil
}

// session is one connection to the engine inside this process, with settings
// and a current database of its own. One goroutine may use it at a time.
type session struct {
	lib    *library
	handle unsafe.Pointer // chdb_connection *
}

// open makes a session. The first one starts the engine on the folder.
func (l *library) open(args ...string) (*session, error) {
	buffers := make([][]byte, len(args))
	argv := make([]unsafe.Pointer, len(args)+1)
	var pin runtime.Pinner
	defer pin.Unpin()
	for i, arg := range args {
		buffers[i] = append([]byte(arg), 0)
		pin.Pin(&buffers[i][0])
		argv[i] = unsafe.Pointer(&buffers[i][0])
	}
	pin.Pin(&argv[0])
	handle := l.connect(int32(len(args)), unsafe.Pointer(&argv[0]))
	if handle == nil {
		return nil, errors.New("the engine refused the connection")
	}
	return &session{lib: l, handle: handle}, nil
}

func (s *session) close() { s.lib.closeConn(s.handle) }

// answer is the outcome of a query, in the engine's memory until it is freed.
type answer struct {
	lib    *library
	result unsafe.Pointer
}

// query runs statements and answers the last one's rows in the format.
// The error is the engine's text.
func (s *session) query(sql, format string, params []param) (*answer, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	bytesOf := func(v string) unsafe.Pointer {
		if v == "" {
			v = "\x00"
		}
		p := unsafe.StringData(v)
		pin.Pin(p)
		return unsafe.Pointer(p)
	}
	n := len(params)
	names, values := make([]unsafe.Pointer, n+1), make([]unsafe.Pointer, n+1)
	nameLens, valueLens := make([]uintptr, n+1), make([]uintptr, n+1)
	for i, p := range params {
		names[i], nameLens[i] = bytesOf(p.name), uintptr(len(p.name))
		values[i], valueLens[i] = bytesOf(p.value), uintptr(len(p.value))
	}
	pin.Pin(&names[0])
	pin.Pin(&values[0])
	pin.Pin(&nameLens[0])
	pin.Pin(&valueLens[0])
	conn := *(*unsafe.Pointer)(s.handle)
	result := s.lib.queryParams(conn, bytesOf(sql), uintptr(len(sql)), bytesOf(format), uintptr(len(format)),
		unsafe.Pointer(&names[0]), unsafe.Pointer(&nameLens[0]), unsafe.Pointer(&values[0]), unsafe.Pointer(&valueLens[0]), uintptr(n))
	if result == nil {
		return nil, errors.New("the engine answered nothing")
	}
	a := &answer{lib: s.lib, result: result}
	if text := s.lib.resultError(result); text != "" {
		a.free()
		return nil, errors.New(text)
	}
	return a, nil
}

// bytes is what was answered. It is valid until free.
func (a *answer) bytes() []byte {
	n := a.lib.resultLength(a.result)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(a.lib.resultBuffer(a.result)), n)
}

// rowsWritten counts the rows that an INSERT wrote, in all tables.
func (a *answer) rowsWritten() uint64 { return a.lib.resultWritten(a.result) }

func (a *answer) free() { a.lib.destroyResult(a.result) }

package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"golang.org/x/sys/unix"
)

// handler is the HTTP interface over an engine.
type handler struct {
	engine  *engine
	maxBody int64
}

func newHandler(e *engine, o options) http.Handler {
	h := &handler{engine: e, maxBody: o.maxBody}
	mux := http.NewServeMux()
	mux.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("Ok.\n")) })
	mux.HandleFunc("/", h.serve)
	return mux
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err == nil {
		err = authenticate(r)
	}
	if err == nil {
		if q.id == "" {
			q.id = rand.Text()
		}
		header := w.Header()
		header.Set("X-ClickHouse-Server-Display-Name", displayName)
		header.Set("X-ClickHouse-Query-Id", q.id)
		header.Set("X-ClickHouse-Timezone", h.engine.timezone)
		header.Set("X-ClickHouse-Format", q.format)
		err = h.answer(w, r, q)
	}
	if err != nil {
		h.fail(w, err)
	}
}

// answer runs the query. An error means that nothing was written yet.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, q *query) error {
	body, err := decoded(r, q.decompress, h.maxBody)
	if err != nil {
		return err
	}
	c := call{format: q.format, database: q.database, settings: q.settings, params: q.params}
	st, rows, err := readStatement(q.text, body)
	if err != nil {
		return err
	}
	if q.protocol > 0 && q.format == "Native" && st.sql == hello {
		data, err := h.greeting(q.protocol)
		if err != nil {
			return err
		}
		_ = sendAnswer(w, r, q, data) // a client that has gone is nobody to tell
		return nil
	}
	c.sql = st.sql
	if rows != nil {
		file, err := inMemory(rows)
		if err != nil {
			return err
		}
		defer file.Close()
		c.sql = st.readingFrom(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	}
	return h.engine.exec(r.Context(), c, func(a *answer) {
		w.Header().Set("X-ClickHouse-Summary", `{"written_rows":"`+strconv.FormatUint(a.rowsWritten(), 10)+`"}`)
		_ = sendAnswer(w, r, q, a.bytes()) // a client that has gone is nobody to tell
	})
}

// readStatement puts the URL's part of the query and the body together. When it
// is an INSERT with rows behind it, rows reads those; else it is nil.
func readStatement(text string, body io.Reader) (st statement, rows io.Reader, err error) {
	if text != "" {
		if st, err = scan(text); err != nil {
			return st, nil, err
		}
		if st.insert {
			return st, io.MultiReader(strings.NewReader(text[len(st.sql):]), body), nil
		}
		text += "\n"
	}
	all, err := io.ReadAll(body)
	if err != nil {
		return st, nil, err
	}
	text += string(all)
	if st, err = scan(text); err != nil || !st.insert {
		return st, nil, err
	}
	return st, strings.NewReader(text[len(st.sql):]), nil
}

// inMemory copies rows to a file that has no name and is on no disk. The engine
// reads it as the client of a server reads a file: block by block into the same
// INSERT that a server runs.
func inMemory(rows io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate("rows", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "rows")
	if _, err := io.CopyBuffer(file, rows, make([]byte, 1<<20)); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// fail answers an error as the server does.
func (h *handler) fail(w http.ResponseWriter, err error) {
	code := codeOf(err)
	text := err.Error()
	if code == codeUnknownException && !strings.HasPrefix(text, "Code: ") {
		text = (&refusal{code: code, name: "UNKNOWN_EXCEPTION", text: text}).Error()
	}
	w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(code))
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(statusOf(code))
	fmt.Fprintf(w, "%s (version %s)\n", strings.TrimSpace(text), h.engine.version) //nolint:gosec // it is plain text, for a test's client
}

const displayName = "chdb-server"

// hello is the query by which clickhouse-go greets a server.
const hello = "SELECT displayName(), version(), revision(), timezone()"

// greeting answers hello: a block in the client's revision that says revision 0.
// The client then reads all blocks in that one, which is what the engine writes.
func (h *handler) greeting(revision int) ([]byte, error) {
	block := proto.NewBlock()
	for _, c := range []struct {
		name string
		kind column.Type
	}{
		{"displayName()", "String"}, {"version()", "String"}, {"revision()", "UInt32"}, {"timezone()", "String"},
	} {
		if err := block.AddColumn(c.name, c.kind); err != nil {
			return nil, fmt.Errorf("write the greeting: %w", err)
		}
	}
	if err := block.Append(displayName, h.engine.version, uint32(0), h.engine.timezone); err != nil {
		return nil, fmt.Errorf("write the greeting: %w", err)
	}
	buffer := new(chproto.Buffer)
	if err := block.Encode(buffer, uint64(revision)); err != nil {
		return nil, fmt.Errorf("write the greeting: %w", err)
	}
	return buffer.Buf, nil
}

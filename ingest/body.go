package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// The ways in which reading a body fails for reasons of our own.
var (
	errTooLarge = errors.New("larger than the limit")
	errNoMemory = errors.New("the lane's memory is in use")
)

// readBody reads a request's body as it was sent. Memory is taken as bytes
// come and not as the header promises, so that a sender that promises much and
// sends slowly holds little.
func readBody(w http.ResponseWriter, r *http.Request, limits *Limits, lane Lane, h *hold) ([]byte, *refusal) {
	const sent = "as it is sent"
	if r.ContentLength > limits.MaxBody {
		return nil, tooLarge(sent, limits.MaxBody, "max_body")
	}
	body, err := readAll(r.Body, r.ContentLength, limits.MaxBody, h)
	if err == nil {
		// The server watches the connection while the handler works; a deadline
		// left behind would end that.
		setReadDeadline(w, time.Time{})
		return body, nil
	}
	switch {
	case errors.Is(err, errTooLarge):
		return nil, tooLarge(sent, limits.MaxBody, "max_body")
	case errors.Is(err, errNoMemory):
		f := busy(lane, "too many bodies are being taken in")
		f.hangUp = true
		return nil, f
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &refusal{
			status: http.StatusRequestTimeout, reason: reasonSlow, hangUp: true, err: err,
			detail: fmt.Sprintf("the body did not arrive within %s", limits.ReadTimeout),
			hint:   "Send it faster, or raise limits.read_timeout in the configuration.",
		}
	default:
		return nil, &refusal{
			status: http.StatusBadRequest, reason: reasonTruncated, hangUp: true, err: err,
			detail: "the body ended before it was complete",
			hint:   "Compare Content-Length, or the chunks, with what was sent.",
		}
	}
}

// setReadDeadline bounds the time in which a body must have come. It is set
// before anything else is done with a request: the server reads on for a while
// in a body that the handler has left, without a deadline of its own.
func setReadDeadline(w http.ResponseWriter, at time.Time) {
	// A writer that is no connection, in a test, knows no deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

// readAll reads to the end, at most limit bytes. size is how much is expected,
// below zero when that is unknown.
func readAll(src io.Reader, size, limit int64, h *hold) ([]byte, error) {
	const first = 64 << 10
	// One byte more than expected, to see the end without growing.
	want := size + 1
	if size < 0 {
		want = 4 << 10
	}
	want = min(want, first, limit+1)
	if !h.grow(want) {
		return nil, errNoMemory
	}
	buf := make([]byte, 0, want)
	for {
		if len(buf) == cap(buf) {
			have := int64(cap(buf))
			if have > limit {
				return nil, errTooLarge
			}
			if have == limit {
				return atLimit(src, buf)
			}
			// The last step goes from half the limit to all of it: no more than
			// one and a half of it is needed while it is taken.
			next, half := 2*have, (limit+1)/2
			if have >= half {
				next = limit
			} else if next > half {
				next = half
			}
			if size >= have && size/4 <= have {
				// A quarter of what was promised has come: believe the rest.
				next = min(size, limit) + 1
			}
			if !h.grow(next) {
				return nil, errNoMemory
			}
			grown := make([]byte, len(buf), next)
			copy(grown, buf)
			buf = grown
			h.shrink(have)
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == nil {
			continue
		}
		if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, err
		}
		if int64(len(buf)) > limit {
			return nil, errTooLarge
		}
		return buf, nil
	}
}

// atLimit is the end of a body that has filled all it may: to ask whether more
// comes takes one byte.
func atLimit(src io.Reader, body []byte) ([]byte, error) {
	var more [1]byte
	switch _, err := io.ReadFull(src, more[:]); {
	case err == nil:
		return nil, errTooLarge
	case errors.Is(err, io.EOF):
		return body, nil
	default:
		return nil, err
	}
}

// coding is how a body is encoded on its way.
type coding func(sent []byte) (io.ReadCloser, error)

// codings are the content encodings that are understood, by name.
var codings = map[string]coding{
	"gzip":   openGzip,
	"x-gzip": openGzip,
	// The name means zlib; some senders leave its frame out.
	"deflate": openDeflate,
	"zstd":    openZstd,
}

// codingOf finds the coding that a request names; nil when there is none.
// Bodies that are a block of snappy by themselves are often said to be encoded
// so.
func codingOf(header http.Header, format *Format) (coding, *refusal) {
	name := strings.ToLower(strings.TrimSpace(strings.Join(header.Values("Content-Encoding"), ",")))
	if name == "" || name == "identity" || (name == "snappy" && format.Snappy) {
		return nil, nil
	}
	if c, ok := codings[name]; ok {
		return c, nil
	}
	return nil, &refusal{
		status: http.StatusUnsupportedMediaType, reason: reasonEncoding, field: "Content-Encoding",
		detail: fmt.Sprintf("cannot read the content encoding %q", clip(name, 100)),
		hint:   "Use gzip, deflate, zstd or none.",
	}
}

// decompress opens a body. The memory of what was sent is given back.
func decompress(open coding, sent []byte, limits *Limits, lane Lane, h *hold) ([]byte, *refusal) {
	src, err := open(sent)
	if err == nil {
		var body []byte
		body, err = readAll(src, -1, limits.MaxDecompressed, h)
		src.Close()
		if err == nil {
			return body, nil
		}
	}
	switch {
	case errors.Is(err, errTooLarge):
		return nil, tooLarge("when decompressed", limits.MaxDecompressed, "max_decompressed")
	case errors.Is(err, errNoMemory):
		return nil, busy(lane, "too many bodies are being taken in")
	default:
		return nil, &refusal{
			status: http.StatusBadRequest, reason: reasonEncoding, field: "Content-Encoding", err: err,
			detail: "the body is not what its content encoding says, or is cut off: " + err.Error(),
			hint:   "Check that the body is compressed once and completely.",
		}
	}
}

// checkSnappy refuses a block of snappy that says that it holds more than is
// taken, n bytes, before anything is allocated for it, and takes memory for its
// content.
func checkSnappy(n int64, limits *Limits, lane Lane, h *hold) *refusal {
	switch {
	case n > limits.MaxDecompressed:
		f := tooLarge("when decompressed", limits.MaxDecompressed, "max_decompressed")
		f.hangUp = false
		return f
	case !h.grow(n):
		return busy(lane, "too many bodies are being taken in")
	}
	return nil
}

func openGzip(sent []byte) (io.ReadCloser, error) { return gzip.NewReader(bytes.NewReader(sent)) }

func openDeflate(sent []byte) (io.ReadCloser, error) {
	src := bufio.NewReader(bytes.NewReader(sent))
	if head, err := src.Peek(2); err == nil && head[0]&0x0f == 8 && (uint(head[0])<<8|uint(head[1]))%31 == 0 {
		return zlib.NewReader(src)
	}
	return flate.NewReader(src), nil
}

// maxZstdWindow bounds what a frame may ask for, in bytes: the greatest window
// of the usual levels.
const maxZstdWindow = 8 << 20

func openZstd(sent []byte) (io.ReadCloser, error) {
	d, err := zstd.NewReader(bytes.NewReader(sent), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

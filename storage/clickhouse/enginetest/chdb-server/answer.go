package main

import (
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// blockSize is how many bytes of an answer one compressed block holds: what the
// server takes.
const blockSize = 1 << 20

// sendAnswer writes an answer as the request wants it: in ClickHouse's own
// compressed blocks, in an encoding that it accepts, or plain.
func sendAnswer(w http.ResponseWriter, r *http.Request, q *query, data []byte) error {
	if q.compress {
		return sendBlocks(w, q.method, data)
	}
	if q.encode {
		if encoding, writer := encoder(w, r.Header.Get("Accept-Encoding")); writer != nil {
			w.Header().Set("Content-Encoding", encoding)
			if _, err := writer.Write(data); err != nil {
				return fmt.Errorf("write the answer: %w", err)
			}
			return writer.Close()
		}
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	_, err := w.Write(data)
	return err
}

func sendBlocks(w io.Writer, method compress.Method, data []byte) error {
	writer := compress.NewWriter(compress.LevelZero, method)
	for len(data) > 0 {
		n := min(len(data), blockSize)
		if err := writer.Compress(data[:n]); err != nil {
			return fmt.Errorf("compress the answer: %w", err)
		}
		if _, err := w.Write(writer.Data); err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		data = data[n:]
	}
	return nil
}

// encoder picks the first encoding that the client accepts, or none.
func encoder(w io.Writer, accepted string) (string, io.WriteCloser) {
	for name := range strings.SplitSeq(accepted, ",") {
		name, _, _ = strings.Cut(strings.TrimSpace(name), ";")
		switch name {
		case "gzip":
			return name, gzip.NewWriter(w)
		case "deflate":
			return name, zlib.NewWriter(w)
		case "br":
			return name, brotli.NewWriterLevel(w, 1)
		case "zstd":
			if writer, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1)); err == nil {
				return name, writer
			}
		}
	}
	return "", nil
}

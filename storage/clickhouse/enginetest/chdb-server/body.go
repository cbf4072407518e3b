package main

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// decoded is a request's body without its compressions: first the encoding that
// its header names, then ClickHouse's own blocks. It ends with a refusal behind
// limit bytes.
func decoded(r *http.Request, blocks bool, limit int64) (io.Reader, error) {
	reader, err := decoder(r.Header.Get("Content-Encoding"), r.Body)
	if err != nil {
		return nil, err
	}
	if blocks {
		reader = &blockReader{blocks: compress.NewReader(reader)}
	}
	return &limited{reader: reader, left: limit, limit: limit}, nil
}

func decoder(encoding string, body io.Reader) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		reader, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("read the gzip body: %w", err)
		}
		return reader, nil
	case "deflate":
		reader, err := zlib.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("read the deflate body: %w", err)
		}
		return reader, nil
	case "br":
		return brotli.NewReader(body), nil
	case "zstd":
		reader, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("read the zstd body: %w", err)
		}
		return reader, nil
	case "lz4":
		return lz4.NewReader(body), nil
	}
	return nil, &refusal{code: codeNotImplemented, name: "NOT_IMPLEMENTED", text: fmt.Sprintf("Unknown Content-Encoding %q", encoding)}
}

// blockReader reads ClickHouse's compressed blocks. An end between two blocks is
// the end of the body.
type blockReader struct{ blocks *compress.Reader }

func (b *blockReader) Read(p []byte) (int, error) {
	n, err := b.blocks.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &refusal{code: codeCannotDecompress, name: "CANNOT_DECOMPRESS", text: err.Error()}
	} else if err != nil {
		err = io.EOF
	}
	return n, err
}

// limited ends with a refusal when more than limit bytes come.
type limited struct {
	reader      io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.reader.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, &refusal{code: codeQueryIsTooLarge, name: "QUERY_IS_TOO_LARGE", text: fmt.Sprintf("The body has more than %d bytes", l.limit)}
	}
	return n, err
}

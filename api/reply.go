package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const (
	typeJSON     = "application/json"
	typeMarkdown = "text/markdown"
	typeText     = "text/plain"
)

// conditions are the headers that decide in which form, and whether at all, a
// resource is sent. It is part of the input of the operations; huma calls
// Resolve, which sees all lines of a header where a parameter sees the first.
type conditions struct {
	accept    string
	noneMatch string
	rawQuery  string
}

// describeConditions are the headers that clients should know of.
func describeConditions() []*huma.Param {
	return []*huma.Param{{
		Name: "If-None-Match", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "ETags of what the client has; the answer is 304 when one of them is still current",
	}}
}

// Resolve reads the headers. It never fails.
func (c *conditions) Resolve(ctx huma.Context) []error {
	c.accept, c.noneMatch = "", ""
	ctx.EachHeader(func(name, value string) {
		switch http.CanonicalHeaderKey(name) {
		case "Accept":
			c.accept = joined(c.accept, value)
		case "If-None-Match":
			c.noneMatch = joined(c.noneMatch, value)
		}
	})
	url := ctx.URL()
	c.rawQuery = url.RawQuery
	return nil
}

func joined(list, value string) string {
	if list == "" {
		return value
	}
	return list + ", " + value
}

// reply is the output of every operation.
type reply struct {
	Status       int
	ContentType  string `header:"Content-Type" hidden:"true"`
	Length       string `header:"Content-Length" hidden:"true"`
	Location     string `header:"Location" hidden:"true"`
	ETag         string `header:"ETag" hidden:"true"`
	CacheControl string `header:"Cache-Control" hidden:"true"`
	Vary         string `header:"Vary" hidden:"true"`
	Body         []byte
}

// replyJSON sends a value as JSON, or 304 when the client has it.
func (a *api) replyJSON(ctx context.Context, c *conditions, v any) (*reply, error) {
	body, err := encode(v)
	if err != nil {
		return nil, a.failure(ctx, err, "encode the answer", "")
	}
	return c.replyBytes(typeJSON, body), nil
}

// replyBytes sends a body, or 304 when the client has it. The ETag is a digest
// of the body and its type: it holds whatever the answer was made from (the
// revision, the query, the version of hindcast that rendered it), also when the
// derived state was thrown away and revisions began anew.
func (c *conditions) replyBytes(contentType string, body []byte) *reply {
	r := &reply{Status: http.StatusOK, ETag: etag(contentType, body), CacheControl: "private, no-cache"}
	if matches(c.noneMatch, r.ETag) {
		r.Status = http.StatusNotModified
		return r
	}
	r.ContentType, r.Body, r.Length = contentType, body, strconv.Itoa(len(body))
	return r
}

func etag(contentType string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(contentType))
	h.Write([]byte{0})
	h.Write(body)
	var sum [sha256.Size]byte
	return `"` + base64.RawURLEncoding.EncodeToString(h.Sum(sum[:0])[:16]) + `"`
}

// matches reports whether an If-None-Match names the ETag, by the weak
// comparison that RFC 9110 asks for.
func matches(noneMatch, etag string) bool {
	for tag := range strings.SplitSeq(noneMatch, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}

// buffers are reused: a timeline is some hundred kilobytes.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxPooled = 1 << 20

// encode writes JSON without escaping <, > and &: it is never part of a page.
func encode(v any) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return bytes.Clone(buf.Bytes()), nil
}

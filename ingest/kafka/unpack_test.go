package kafka

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/segmentio/kafka-go/compress"
)

// packed compresses with a codec of kafka-go.
func packed(t testing.TB, c compress.Compression, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := c.Codec().NewWriter(&out)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// cut is a text, compressed in two parts that stand one behind the other.
func cut(t testing.TB, c compress.Compression, text []byte) []byte {
	half := len(text) / 2
	return append(packed(t, c, text[:half]), packed(t, c, text[half:])...)
}

// mostWorking is what a decoder takes beside its text at most: two blocks of lz4.
const mostWorking = 8 << 20

func lz4Of(t testing.TB, text []byte, o ...lz4.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	if err := w.Apply(o...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// streamedZstd has its size nowhere.
func streamedZstd(t testing.TB, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for part := text; len(part) > 0; part = part[min(len(part), 1000):] {
		if _, err := w.Write(part[:min(len(part), 1000)]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestUnpacksWithinItsRoom: whatever a text claims to be, it comes out whole, no
// more memory is asked for than it may have, and never more is used than asked
// for.
func TestUnpacksWithinItsRoom(t *testing.T) {
	for _, text := range [][]byte{
		{}, []byte("short"), []byte(strings.Repeat("a line of a log; ", 30_000)), make([]byte, 700_000), noise(1, 300_000),
	} {
		for name, b := range map[string]struct {
			codec compress.Compression
			body  []byte
		}{
			"gzip": {compress.Gzip, packed(t, compress.Gzip, text)}, "gzip, twice": {compress.Gzip, cut(t, compress.Gzip, text)},
			"snappy, frames": {compress.Snappy, packed(t, compress.Snappy, text)}, "snappy": {compress.Snappy, snappy.Encode(nil, text)},
			"lz4": {compress.Lz4, packed(t, compress.Lz4, text)}, "lz4, twice": {compress.Lz4, cut(t, compress.Lz4, text)},
			"lz4, small blocks":  {compress.Lz4, lz4Of(t, text, lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true))},
			"lz4, without sums":  {compress.Lz4, lz4Of(t, text, lz4.ChecksumOption(false))},
			"lz4, with its size": {compress.Lz4, lz4Of(t, text, lz4.SizeOption(uint64(len(text))))},
			"zstd":               {compress.Zstd, zstdOf(t, text)}, "zstd, streamed": {compress.Zstd, streamedZstd(t, text)},
			"zstd, twice": {compress.Zstd, append(zstdOf(t, text[:len(text)/2]), streamedZstd(t, text[len(text)/2:])...)},
		} {
			t.Run(fmt.Sprintf("%s %d", name, len(text)), func(t *testing.T) {
				const most = 1 << 20
				var has, highest int64
				got, err := unpack(b.codec, b.body, most, func(all int64) error {
					has = all
					highest = max(highest, all)
					return nil
				})
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("got %d bytes and error %v, want %d", len(got), err, len(text))
				}
				if highest > most+mostWorking || has != int64(cap(got)) {
					t.Errorf("asked for %d bytes at most and for %d at last, and took %d", highest, has, cap(got))
				}
				// Not a byte more than it may have.
				if len(text) > 0 {
					if _, err := unpack(b.codec, b.body, int64(len(text)-1), func(int64) error { return nil }); err == nil || !strings.Contains(err.Error(), "max_decompressed") {
						t.Errorf("one byte too much: got error %v, want one of max_decompressed", err)
					}
				}
				if _, err := unpack(b.codec, b.body, int64(len(text)), func(int64) error { return nil }); err != nil {
					t.Errorf("just as much as it may: %v", err)
				}
				// Without room nothing is taken.
				refusal := errors.New("no")
				if _, err := unpack(b.codec, b.body, most, func(int64) error { return refusal }); !errors.Is(err, refusal) {
					t.Errorf("without room: got error %v", err)
				}
			})
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, c := range []compress.Compression{compress.Gzip, compress.Snappy, compress.Lz4} {
		f.Add(int8(c), packed(f, c, []byte("a line")))
	}
	f.Add(int8(compress.Zstd), streamedZstd(f, []byte("a line")))
	f.Fuzz(func(t *testing.T, codec int8, b []byte) {
		const most = 1 << 16
		var has int64
		got, err := unpack(compress.Compression(codec), b, most, func(all int64) error {
			if has = all; all < 0 || all > most+mostWorking {
				t.Errorf("it asks for %d bytes", all)
			}
			return nil
		})
		if err == nil && int64(cap(got)) != has {
			t.Errorf("it takes %d bytes and asked for %d", cap(got), has)
		}
	})
}

// Go's own gzip, as a second opinion of what is read.
func TestUnpacksWhatOthersPack(t *testing.T) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, "text"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := unpack(compress.Gzip, out.Bytes(), 1<<20, func(int64) error { return nil }); string(got) != "text" || err != nil {
		t.Errorf("got %q, error %v", got, err)
	}
}

// TestUnpacksLinkedBlocks reads a frame whose blocks refer to those before them,
// as the tool lz4 makes it with -B4 -BD.
func TestUnpacksLinkedBlocks(t *testing.T) {
	b, err := os.ReadFile("testdata/linked.lz4")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := range 9000 {
		fmt.Fprintf(&want, "line %d of a log that goes on\n", i%7)
	}
	got, err := unpack(compress.Lz4, b, 1<<20, func(int64) error { return nil })
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("got %d bytes and error %v, want %d", len(got), err, want.Len())
	}
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 'n', 'o'}, b...)
	if got, err := unpack(compress.Lz4, skippable, 1<<20, func(int64) error { return nil }); err != nil || len(got) != want.Len() {
		t.Errorf("behind a frame to skip: got %d bytes and error %v", len(got), err)
	}
	for n := range b {
		if _, err := unpack(compress.Lz4, b[:n], 1<<20, func(int64) error { return nil }); err == nil && n > 0 && n < len(b)-8 {
			t.Errorf("%d bytes of it are taken for the whole", n)
		}
	}
}

package ingest

import "testing"

// FuzzReceive posts anything anywhere: it is taken or it is the sender's
// fault, and everything that the request held is given back.
func FuzzReceive(f *testing.F) {
	for i, tc := range goodBodies {
		f.Add(uint8(i), "application/json", "", "push", []byte(tc.body))
	}
	for _, name := range encodings[:5] {
		f.Add(uint8(2), "application/json", name, "", compressed(f, name, []byte(goodBodies[2].body)))
	}
	f.Add(uint8(8), "application/x-protobuf", "snappy", "", lokiPush(f, 2, 2))
	r := newRealRig(f, nowhere)
	paths := r.Paths()
	f.Fuzz(func(t *testing.T, path uint8, mediaType, encoding, kind string, body []byte) {
		if len(body) > 1<<20 {
			t.Skip("large bodies only take longer")
		}
		w := r.post(paths[int(path)%len(paths)], string(body), "Content-Type", mediaType, "Content-Encoding", encoding, "X-GitHub-Event", kind)
		if c := w.Code / 100; c != 2 && c != 4 {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		for lane := range lanes {
			if n := r.lanes[lane].memory.used.Load(); n != 0 {
				t.Errorf("%d bytes are still held in lane %s", n, lane)
			}
		}
	})
}

package transfer

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// TestWaitsAreToldOnce: of four that write and wait at the same time, one says so.
func TestWaitsAreToldOnce(t *testing.T) {
	var told []string
	c := &copying{o: Options{Notice: func(text string) { told = append(told, text) }}}
	for range 4 {
		c.waits("write it", time.Hour, storage.ErrUnavailable)
	}
	c.waits("read it", time.Hour, storage.ErrUnavailable)
	if len(told) != 2 || told[0] != "cannot write it, trying again in 1h0m0s: store is unavailable" {
		t.Errorf("it was told: %q, want one of each", told)
	}
}

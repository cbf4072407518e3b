package child

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// asking is a client that leaves no connection behind.
var asking = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Answers asks for a resource and wants a 200, for [Process.Ready].
func Answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", url, err)
		}
		resp, err := asking.Do(req)
		if err != nil {
			return err // it says what was asked for
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // the status is what counts
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s answers %s", url, resp.Status)
		}
		return nil
	}
}

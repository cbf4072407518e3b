package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// Client reads timelines from a server's API.
type Client struct {
	// URL is the server's, without a path.
	URL string
	// HTTP sends the requests; nil is http.DefaultClient.
	HTTP *http.Client
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 256 << 20

// Timelines reads the timelines of all incidents, minor ones among them, with
// all of their entries, in the order of their start.
func (c *Client) Timelines(ctx context.Context) ([]timeline.Timeline, error) {
	var all []timeline.Timeline
	query := url.Values{"minor": {"true"}, "limit": {"100"}}
	for {
		var page struct {
			Incidents  []timeline.Incident `json:"incidents"`
			NextCursor *string             `json:"next_cursor"`
		}
		if err := c.get(ctx, "/incidents?"+query.Encode(), &page); err != nil {
			return nil, fmt.Errorf("list incidents: %w", err)
		}
		for _, inc := range page.Incidents {
			t, err := c.timeline(ctx, inc.ID.String())
			if err != nil {
				return nil, fmt.Errorf("read timeline %s: %w", inc.ID, err)
			}
			all = append(all, t)
		}
		if page.NextCursor == nil || *page.NextCursor == "" {
			slices.SortFunc(all, func(a, b timeline.Timeline) int { return a.Incident.ID.Compare(b.Incident.ID) })
			return all, nil
		}
		query.Set("cursor", *page.NextCursor)
	}
}

// timeline reads one timeline, page by page.
func (c *Client) timeline(ctx context.Context, id string) (timeline.Timeline, error) {
	var whole timeline.Timeline
	for cursor := ""; ; {
		path := "/incidents/" + id + "/timeline"
		if cursor != "" {
			path += "?" + url.Values{"entries_cursor": {cursor}}.Encode()
		}
		var page timeline.Timeline
		if err := c.get(ctx, path, &page); err != nil {
			return whole, err
		}
		if cursor == "" {
			whole = page
		} else {
			whole.Entries = append(whole.Entries, page.Entries...)
		}
		if page.EntriesCursor == "" {
			whole.EntriesCursor = ""
			return whole, nil
		}
		if page.EntriesCursor == cursor {
			return whole, errors.New("the cursor of entries does not move on")
		}
		cursor = page.EntriesCursor
	}
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text[:min(len(text), 500)])))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// Difference compares two derivations of the same facts: timeline by timeline
// and byte by byte, but for revisions and aliases, which tell how a derivation
// came about. It describes the first difference; "" when there is none.
func Difference(a, b []timeline.Timeline) (string, error) {
	for i := range max(len(a), len(b)) {
		left, err := canonical(a, i)
		if err != nil {
			return "", err
		}
		right, err := canonical(b, i)
		if err != nil {
			return "", err
		}
		if bytes.Equal(left, right) {
			continue
		}
		return firstDifference(left, right), nil
	}
	return "", nil
}

// canonical is the JSON of the i-th timeline; nil when there is none.
func canonical(all []timeline.Timeline, i int) ([]byte, error) {
	if i >= len(all) {
		return nil, nil
	}
	t := all[i]
	t.Incident.Revision, t.Incident.Aliases = 0, nil
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode timeline %s: %w", t.Incident.ID, err)
	}
	return text, nil
}

// firstDifference shows the first line that differs, with the lines before it.
func firstDifference(a, b []byte) string {
	left, right := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	if len(a) == 0 || len(b) == 0 {
		return fmt.Sprintf("one side has an incident more, or another:\n%s", strings.Join(append(left, right...)[:min(16, len(left)+len(right))], "\n"))
	}
	const context = 6
	for i := range max(len(left), len(right)) {
		l, r := lineAt(left, i), lineAt(right, i)
		if l == r {
			continue
		}
		var out strings.Builder
		for _, same := range left[max(0, i-context):min(i, len(left))] {
			fmt.Fprintf(&out, "  %s\n", same)
		}
		fmt.Fprintf(&out, "- %s\n+ %s", l, r)
		return out.String()
	}
	return ""
}

func lineAt(lines []string, i int) string {
	if i >= len(lines) {
		return "(ends)"
	}
	return lines[i]
}

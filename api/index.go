package api

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/storage"
)

// indexPage says to who opens the address in a browser what there is.
var indexPage = template.Must(template.New("index").Funcs(template.FuncMap{
	"clock": func(t time.Time) string { return t.UTC().Format(time.DateTime) },
}).Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hindcast</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); white-space: nowrap }
td.long { white-space: normal; min-width: 14rem; overflow-wrap: break-word }
.wide { overflow-x: auto }
pre { overflow-x: auto }
</style>
<h1>hindcast</h1>
<h2>The latest incidents</h2>
{{if .Incidents}}<div class="wide"><table>
<tr><th scope="col">Started (UTC)<th scope="col">Status<th scope="col">Severity<th scope="col">Incident<th scope="col">As a draft
{{range .Incidents}}<tr><td><time datetime="{{.StartedAt.UTC.Format "2006-01-02T15:04:05Z07:00"}}">{{clock .StartedAt}}</time><td>{{.Status}}<td>{{.Severity}}<td class="long"><a href="/incidents/{{.ID}}/timeline">{{or .Title .ID.String}}</a><td><a href="/incidents/{{.ID}}/timeline?format=md">Markdown</a>
{{end}}</table></div>
{{else if .Minor}}<p>None yet. <a href="/incidents?minor=true">{{.Minor}}</a>, because nothing says that anything suffered.
{{else}}<p>None yet.{{if .Receivers}} Incidents come of what is posted to
<ul>{{range .Receivers}}
<li><code>{{.}}</code>{{end}}
</ul>{{end}}
{{end}}<h2>To ask for more</h2>
<pre>curl -s {{.Base}}/incidents
curl -s {{.Base}}/incidents/<var>ID</var>/timeline
curl -s '{{.Base}}/incidents/<var>ID</var>/timeline?format=md'
curl -s '{{.Base}}/logs?service=<var>NAME</var>&amp;level=error'</pre>
<p><a href="/openapi.json">What else there is</a>
</html>
`))

const indexLength = 20

func (a *api) getIndex(w http.ResponseWriter, r *http.Request) {
	page, err := a.Store.Incidents(r.Context(), storage.IncidentQuery{Limit: indexLength})
	if err != nil {
		a.Logger.ErrorContext(r.Context(), "could not answer", "doing", "list incidents", "err", err)
		writeProblem(w, http.StatusServiceUnavailable, "The incidents cannot be listed now. Try again later.")
		return
	}
	minor, err := a.minor(r.Context(), len(page.Incidents))
	if err != nil {
		a.Logger.ErrorContext(r.Context(), "could not answer", "doing", "count minor incidents", "err", err)
		writeProblem(w, http.StatusServiceUnavailable, "The incidents cannot be listed now. Try again later.")
		return
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	var b bytes.Buffer
	err = indexPage.Execute(&b, struct {
		Incidents []timeline.Incident
		// Minor counts the minor ones, where there are no others; "" is none.
		Minor     string
		Receivers []string
		Base      string
	}{page.Incidents, minor, a.Receivers, scheme + "://" + r.Host})
	if err != nil {
		a.Logger.ErrorContext(r.Context(), "could not answer", "doing", "render the index", "err", err)
		writeProblem(w, http.StatusInternalServerError, "hindcast failed; its log says more.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // the client is gone when this fails
}

// minor says how many minor incidents there are, when there are no others; ""
// when there are none.
func (a *api) minor(ctx context.Context, others int) (string, error) {
	if others > 0 {
		return "", nil
	}
	page, err := a.Store.Incidents(ctx, storage.IncidentQuery{Minor: true, Limit: maxLimit})
	switch n := len(page.Incidents); {
	case err != nil || n == 0:
		return "", err
	case n == 1:
		return "1 minor incident", nil
	case page.Next != "":
		return fmt.Sprintf("More than %d minor incidents", n), nil
	default:
		return fmt.Sprintf("%d minor incidents", n), nil
	}
}

package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func describeHealthy() huma.Operation {
	return huma.Operation{
		OperationID: "healthy",
		Method:      http.MethodGet,
		Path:        "/-/healthy",
		Summary:     "Say that the process runs",
		Tags:        []string{"health"},
		Responses:   map[string]*huma.Response{"200": plain("It runs")},
	}
}

func (a *api) getHealthy(context.Context, *struct{}) (*reply, error) {
	return plainText(http.StatusOK, "hindcast is healthy.\n"), nil
}

func describeReady(h huma.API) huma.Operation {
	op := huma.Operation{
		OperationID: "ready",
		Method:      http.MethodGet,
		Path:        "/-/ready",
		Summary:     "Say whether what the process does can be done now",
		Tags:        []string{"health"},
		Responses:   responses(h, plain("It is ready. The first line says so, the others tell of each role that was asked for")),
	}
	op.Responses["400"] = plain("There is no such role")
	op.Responses["404"] = plain("The process does not have the role")
	op.Responses["503"] = plain("It is not ready. The first line names the roles that are not, the others say why")
	return op
}

type readyInput struct {
	Role string `query:"role" doc:"Ask for these roles alone, separated by commas: receive, consume, correlate, api. By default for all of the process; where receivers forward to Kafka, for receive alone." example:"api"`
}

func (a *api) getReady(_ context.Context, in *readyInput) (*reply, error) {
	status, text := a.Ready(in.Role)
	return plainText(status, text), nil
}

func plainText(status int, body string) *reply {
	return &reply{Status: status, ContentType: typeText + "; charset=utf-8", Body: []byte(body)}
}

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
		Summary:     "Say whether requests can be served now",
		Tags:        []string{"health"},
		Responses:   responses(h, plain("It is ready")),
	}
	op.Responses["503"] = plain("It is not ready; the text says why")
	return op
}

func (a *api) getReady(context.Context, *struct{}) (*reply, error) {
	if err := a.Ready(); err != nil {
		//nolint:nilerr // the answer tells the error
		return plainText(http.StatusServiceUnavailable, "hindcast is not ready: "+err.Error()+"\n"), nil
	}
	return plainText(http.StatusOK, "hindcast is ready.\n"), nil
}

func plainText(status int, body string) *reply {
	return &reply{Status: status, ContentType: typeText + "; charset=utf-8", Body: []byte(body)}
}

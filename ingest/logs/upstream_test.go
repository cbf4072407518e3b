package logs

import (
	"slices"
	"testing"
)

func TestUpstreamsIn(t *testing.T) {
	tests := []struct {
		text string
		want []string
	}{
		{"payment call failed: upstream 500 from paymentservice", []string{"paymentservice"}},
		{"upstream recommendationservice timeout after 1500ms", []string{"recommendationservice"}},
		{"upstream checkoutservice slow, timeout budget exceeded", []string{"checkoutservice"}},
		{"upstream mediaservice returned 503", []string{"mediaservice"}},
		{"upstream frontend reset connection during checkout", []string{"frontend"}},
		{"context builder aborted: upstream ai-agent-svc returned 500 on getPredefinedAgent", []string{"ai-agent-svc"}},
		{"memory persist failed: ai-memory-svc returned 503 (write throttled)", []string{"ai-memory-svc"}},
		{"downstream sink unavailable; buffering", []string{"sink"}},
		{"got 503 from inventory while pricing", []string{"inventory"}},
		{"calling payments failed: EOF", []string{"payments"}},
		{"error calling inventory: context deadline exceeded", []string{"inventory"}},
		{"call to pricing timed out", []string{"pricing"}},
		{"request to auth-api failed", []string{"auth-api"}},
		{"connection to payments refused", []string{"payments"}},
		{"failed to connect to payments.shop.svc.cluster.local:8080", []string{"payments"}},
		{"tls handshake to paymentservice.svc failed after 12ms", []string{"paymentservice"}},
		{"TLS handshake with 'ledger' failed", []string{"ledger"}},
		{"dial tcp: lookup payments on 10.0.0.10:53: no such host", []string{"payments"}},
		{"dial tcp payments:8080: connect: connection refused", []string{"payments"}},
		{"getaddrinfo ENOTFOUND payments", []string{"payments"}},
		{"curl: (6) Could not resolve host: search.internal", []string{"search"}},
		{"java.net.UnknownHostException: ledger", []string{"ledger"}},
		{`Post "https://paymentservice.svc:8443/charge": remote error: tls`, []string{"paymentservice"}},
		{"call to pricing and connection to ledger failed", []string{"pricing", "ledger"}},

		{"upstream call failed", nil},
		{"Charge upstream call returned error, returning 502 to caller", nil},
		{"upstream timed out (110: Connection timed out) while connecting to upstream", nil},
		{"upstream prematurely closed connection while reading response header from upstream", nil},
		{"dial tcp 10.0.0.12:5432: connect: connection refused", nil},
		{"dial tcp [::1]:5432: connect: connection refused", nil},
		{`connection to server at "db" (10.0.0.1), port 5432 failed`, nil},
		{"connection to localhost refused", nil},
		{"call to undefined function foo()", nil},
		{"call to charge() failed", nil},
		{"request to /api/items failed", nil},
		{"query returned 500 rows", nil},
		{"handler returned 500", nil},
		{"calling the provider failed", nil},
		{"failed to connect to database", nil},
		{"downstream consumer not acking", nil},
		{"received 200 from inventory", nil},
		{"", nil},
	}
	for _, tt := range tests {
		if got := upstreamsIn(tt.text, nil); !slices.Equal(got, tt.want) {
			t.Errorf("upstreamsIn(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestServiceName(t *testing.T) {
	for value, want := range map[string]string{
		"payments":                                        "payments",
		"paymentservice.svc:8443":                         "paymentservice",
		"http://user:secret@payments:8080/x?y=z":          "payments",
		"outbound|8080||ledger.shop.svc.cluster.local":    "ledger",
		"edgedelta-media-prod.s3.us-east-1.amazonaws.com": "edgedelta-media-prod",
		"10.0.0.1": "", "10.0.0.1:80": "", "[2001:db8::1]:80": "", "2001:db8::1": "", "localhost:80": "",
		"/items": "", "": "", "true": "", "x": "", "12345": "", "-": "", "日本": "",
	} {
		if got := serviceName(value); got != want {
			t.Errorf("serviceName(%q) = %q, want %q", value, got, want)
		}
	}
}

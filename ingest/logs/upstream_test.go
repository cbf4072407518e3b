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
		{"refund not made: upstream 500 from ledgerservice", []string{"ledgerservice"}},
		{"upstream pricingservice timeout after 800ms", []string{"pricingservice"}},
		{"upstream basket slow, giving up", []string{"basket"}},
		{"upstream images returned 503", []string{"images"}},
		{"upstream web reset connection", []string{"web"}},
		{"report aborted: upstream ledger-svc returned 500 on getBalance", []string{"ledger-svc"}},
		{"order not stored: order-store returned 503 (read only)", []string{"order-store"}},
		{"downstream indexer unavailable; will retry", []string{"indexer"}},
		{"got 503 from inventory while pricing", []string{"inventory"}},
		{"calling payments failed: EOF", []string{"payments"}},
		{"error calling inventory: context deadline exceeded", []string{"inventory"}},
		{"call to pricing timed out", []string{"pricing"}},
		{"request to auth-api failed", []string{"auth-api"}},
		{"connection to payments refused", []string{"payments"}},
		{"failed to connect to payments.shop.svc.cluster.local:8080", []string{"payments"}},
		{"tls handshake to ledger.shop failed after 9ms", []string{"ledger"}},
		{"TLS handshake with 'ledger' failed", []string{"ledger"}},
		{"dial tcp: lookup payments on 10.0.0.10:53: no such host", []string{"payments"}},
		{"dial tcp payments:8080: connect: connection refused", []string{"payments"}},
		{"getaddrinfo ENOTFOUND payments", []string{"payments"}},
		{"curl: (6) Could not resolve host: search.internal", []string{"search"}},
		{"java.net.UnknownHostException: ledger", []string{"ledger"}},
		{`Post "https://ledger.shop:8443/refund": remote error: tls`, []string{"ledger"}},
		{"call to pricing and connection to ledger failed", []string{"pricing", "ledger"}},

		{"upstream call failed", nil},
		{"our upstream call returned error", nil},
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
		{"downstream consumer is behind", nil},
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
		"payments":                                     "payments",
		"ledger.shop:8443":                             "ledger",
		"http://user:secret@payments:8080/x?y=z":       "payments",
		"outbound|8080||ledger.shop.svc.cluster.local": "ledger",
		"acme-media.s3.us-east-1.amazonaws.com":        "acme-media",
		"10.0.0.1":                                     "", "10.0.0.1:80": "", "[2001:db8::1]:80": "", "2001:db8::1": "", "localhost:80": "",
		"/items": "", "": "", "true": "", "x": "", "12345": "", "-": "", "日本": "",
	} {
		if got := serviceName(value); got != want {
			t.Errorf("serviceName(%q) = %q, want %q", value, got, want)
		}
	}
}

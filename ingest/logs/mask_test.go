package logs

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMask(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"words stay", "payment declined by provider", "payment declined by provider"},
		{"recorded panic", "level=error service=payments version=2.0.0 panic: nil pointer in charge() currency=EUR request_id=d732c4667357",
			"level=error service=payments version=<n> panic: nil pointer in charge() currency=EUR request_id=<n>"},
		{"identifier that is all digits", "level=error service=payments version=2.0.1-rc.1 panic: nil pointer in charge() currency=EUR request_id=834638921637",
			"level=error service=payments version=<n> panic: nil pointer in charge() currency=EUR request_id=<n>"},
		{"recorded upstream", "upstream call failed upstream=payments status=502 attempt=3 trace=a848b3c82745de7d",
			"upstream call failed upstream=payments status=5xx attempt=<n> trace=<n>"},
		{"recorded request", "request done path=/gateway/v1/items status=200 duration_ms=66", "request done path=/gateway/v1/items status=2xx duration_ms=<n>"},
		{"status class stays", "status=5xx", "status=5xx"},
		{"quoted words stay", `relation "saved_carts" does not exist; LINE 1: SELECT ... FROM saved_carts`,
			`relation "saved_carts" does not exist; LINE <n>: SELECT ... FROM saved_carts`},
		{"quoted name stays", "required field 'sku' is absent; giving up", "required field 'sku' is absent; giving up"},
		{"column stays", "schema mismatch: column discount_cents does not exist", "schema mismatch: column discount_cents does not exist"},
		{"units", "took 1.5s, 12ms, 3m2.5s, 15µs; used 10.4GiB of 95.2% at 3000", "took <n>; used <n> of <n> at <n>"},
		{"sign", "offset=-5 temperature +3.2 from 10-20", "offset=<n> temperature <n> from <n>-<n>"},
		{"thousands", "read 1,234,567 rows", "read <n> rows"},
		{"list", "ids [1, 2, 3] and (4,5)", "ids [<n>] and (<n>)"},
		{"hex", "commit 8f7a3b9c and 0x7ffd3a and 0xdeadbeef at deadbeef1", "commit <n> and <n> and <n> at <n>"},
		{"hex words stay", "decade facade added", "decade facade added"},
		{"uuid", "order 550e8400-e29b-41d4-a716-446655440000 failed", "order <n> failed"},
		{"uuid of letters", "order deadbeef-cafe-babe-face-deadbeefcafe failed", "order <n> failed"},
		{"ipv4", "dial tcp 10.0.0.12:5432: connect: connection refused from 10.1.2.3", "dial tcp <ip>: connect: connection refused from <ip>"},
		{"ipv6", "peer [2001:db8::1]:443, fe80::1%eth0 and ::1", "peer [<ip>]:<n>, <ip> and <ip>"},
		{"no ipv6", "std::vector a::b Face::Add", "std::vector a::b Face::Add"},
		{"mac", "link 00:1a:2b:3c:4d:5e up", "link <n> up"},
		{"rfc 3339", "2026-06-18T15:04:01.123Z is after 2026-06-18T15:04:00+02:00", "<time> is after <time>"},
		{"date and time", "2026/01/02 15:04:05 [error] 31#31: *1 upstream timed out", "<time> [error] <n>#<n>: *<n> upstream timed out"},
		{"log4j time", "2026-01-02 15:04:05,123 ERROR [main] x", "<time> ERROR [main] x"},
		{"syslog time", "Jan  2 15:04:05 web1 sshd[123]: ok", "<time> web1 sshd[<n>]: ok"},
		{"access log", `10.0.0.1 - - [02/Jan/2026:15:04:05 +0000] "GET /items/123?page=2 HTTP/1.1" 502 1234 "-" "curl/8.1.2"`,
			`<ip> - - [<time>] "GET /items/<n>?page=<n> HTTP/<n>" 5xx <n> "-" "curl/<n>"`},
		{"klog", "E1122 15:04:05.123456    1 reflector.go:138] failed", "E<n> <time> <n> reflector.go:<n>] failed"},
		{"kitchen", "3:04PM ERR boom", "<time> ERR boom"},
		{"email", `user "bob@x.org" and <a.b+c@mail.example.com>`, `user "<email>" and <<email>>`},
		{"no email", "root@web1 git@v2", "root@web1 git@v2"},
		{"path", "GET /items/123/reviews/8f7a3b9c", "GET /items/<n>/reviews/<n>"},
		{"path version stays", "GET /api/v2/items", "GET /api/v2/items"},
		{"go file", "pkg/billing/refund.go:118 Refund.readAmount", "pkg/billing/refund.go:<n> Refund.readAmount"},
		{"names with a digit stay", "x509 s3 utf8 k8s i18n p99 sha256 http2 log4j EC2", "x509 s3 utf8 k8s i18n p99 sha256 http2 log4j EC2"},
		{"numbers in words", "worker-12 thread7x ListObjectsV2 step123456 404NotFound", "worker-<n> thread<n>x ListObjectsV<n> step<n> <n>NotFound"},
		{"pod", "pod payments-7c9f8b6d5-x7gkz and payments-7c9f8b6d5-bxkzq", "pod payments-<n>-<n> and payments-<n>-<n>"},
		{"versions", "starting v2026.02.03-0815 with v1.2.3 on python3.11 and log4j-2.17.1.jar", "starting v<n>-<n> with v<n> on python<n> and log4j-<n>.jar"},
		{"base64", "token aGVsbG8gd29ybGQhIQ0KZm9vYmFy+/x== end", "token <n> end"},
		{"jwt", "bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0 end", "bearer <n> end"},
		{"long names stay", "AbstractSingletonProxyFactoryBean InternalAuthenticationServiceException", "AbstractSingletonProxyFactoryBean InternalAuthenticationServiceException"},
		{"keys that vary", `trace_id=abc orderId=foo user="Bob B" token='x y' paid=yes grid=7`, "trace_id=<n> orderId=<n> user=<n> token=<n> paid=yes grid=<n>"},
		{"keys in brackets", "[traceId=abc,spanId=def] start", "[traceId=<n>,spanId=<n>] start"},
		{"query", "GET /x?token=abc&mode=fast", "GET /x?token=<n>&mode=fast"},
		{"white space", "a\n\tat b\r\n  c  ", "a at b c"},
		{"colours", "\x1b[31mERROR\x1b[0m boom", "ERROR boom"},
		{"other scripts", "错误代码500 счёт № 17 ünïcode 15:04:05", "错误代码<n> счёт № <n> ünïcode <time>"},
		{"other digits", "रुपये १२३", "रुपये १२३"},
		{"not utf-8", "caf\xe9 5\xff\xfe", "caf\uFFFD <n>\uFFFD"},
		{"nothing", "", ""},
		{"java frame", "\tat com.acme.pay.Charge$Inner.run(Charge.java:42) ~[app.jar:1.2.3]", "at com.acme.pay.Charge$Inner.run(Charge.java:<n>) ~[app.jar:<n>]"},
		{"goroutine", "goroutine 18 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d", "goroutine <n> [running]: main.main() /app/main.go:<n> <n>"},
		{"envoy", `[2026-01-02T15:04:05.000Z] "POST /charge HTTP/2" 503 UF 0 91 3 - "-" "grpc-go/1.60.1" "3c1a-b" "payments:8080" "10.4.0.7:8080"`,
			`[<time>] "POST /charge HTTP/<n>" 5xx UF <n> <n> <n> - "-" "grpc-go/<n>" "<n>-b" "payments:<n>" "<ip>"`},
		{"tls", "notBefore=2025-01-18T10:00:00Z CN=ledger.shop serial=0x1b2c peer=ledger.shop:8443", "notBefore=<time> CN=ledger.shop serial=<n> peer=ledger.shop:<n>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Mask(tt.text)
			if got != tt.want {
				t.Errorf("Mask(%q)\n got %q\nwant %q", tt.text, got, tt.want)
			}
			if again := Mask(got); again != got {
				t.Errorf("masking %q again gives %q", got, again)
			}
		})
	}
}

func TestMaskIsBounded(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("a", 10_000),
		strings.Repeat("long words ", 10_000),
		strings.Repeat("7 apples ", 10_000),
		strings.Repeat("日本", 10_000),
		strings.Repeat(`id="`, 50_000),
		strings.Repeat("a@", 50_000),
		strings.Repeat("1,", 50_000),
	} {
		got := Mask(text)
		if len(got) > MaxTemplate || !utf8.ValidString(got) {
			t.Errorf("the pattern of %.20q… has %d bytes, valid UTF-8: %t", text, len(got), utf8.ValidString(got))
		}
		if got == "" {
			t.Errorf("the pattern of %.20q… is empty", text)
		}
	}
}

// logText draws texts that are made of what the mask looks for.
func logText() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"level", "error", "trace_id", "user", "id", "status", "=", "=", ":", " ", " ", "\n", ",", ", ", "-", "_", ".", "/", "\"", "'", "<", ">", "<n>", "<time>", "(", "[", "]", "@", "%", "+",
		"5", "502", "12", "2026-01-02", "T15:04:05Z", "15:04:05", "Jan  2", "10.0.0.1", "::1", "fe80:", "deadbeef", "8f7a3b9c", "550e8400-e29b-41d4-a716-446655440000",
		"v2", "x7gkz", "bcdfg", "k8s", "aZ3kd9Qm2xB7", "aBcDeFgHiJkLmNoP", "µs", "日本", "\xff", "bob@x.org", "HTTP/1.1\" ", "eyJhbGciOi", "00:1a:2b:3c:4d:5e", "3:04PM",
	})
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.OneOf(piece, piece, piece, rapid.String()), 0, 60).Draw(t, "pieces"), "")
	})
}

func checkMask(t interface{ Fatalf(string, ...any) }, text string) {
	got := Mask(text)
	if again := Mask(got); again != got {
		t.Fatalf("the pattern of %q\nis %q\nand its pattern %q", text, got, again)
	}
	if len(got) > MaxTemplate || !utf8.ValidString(got) {
		t.Fatalf("the pattern of %q has %d bytes, valid UTF-8: %t", text, len(got), utf8.ValidString(got))
	}
	if second := Mask(text); second != got {
		t.Fatalf("the pattern of %q is %q, and then %q", text, got, second)
	}
}

func TestMaskTwiceIsMaskOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkMask(t, logText().Draw(t, "text")) })
}

func FuzzMask(f *testing.F) {
	f.Add("level=error service=payments version=2.0.0 panic: nil pointer in charge() currency=EUR request_id=d732c4667357")
	f.Add(`10.0.0.1 - - [02/Jan/2026:15:04:05 +0000] "GET /items/123 HTTP/1.1" 502 1234 "-" "curl/8.1.2"`)
	f.Add("user <bob@x.org> fe80::1%eth0 -5, 6, 7 eyJhbGciOiJIUzI1NiJ9.e30.x")
	f.Fuzz(func(t *testing.T, text string) { checkMask(t, text) })
}

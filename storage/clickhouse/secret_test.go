package clickhouse

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	encpem "encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

const hush = "h0sh-h0sh"

// TestPasswordFrom takes the password from the address, else the named file,
// else the options.
func TestPasswordFrom(t *testing.T) {
	file := writeFile(t, "of the file\r\nsecond line")
	for dsn, want := range map[string]string{
		"clickhouse://u:of%20the%20address@h/db?password_file=" + file: "of the address",
		"clickhouse://u@h/db?password_file=" + file:                    "of the file",
		"clickhouse://u@h/db?password=of%20the%20address":              "of the address",
		"clickhouse://u@h/db":                                          "of the options",
	} {
		target, err := ParseDSN(dsn, Options{Password: "of the options"})
		if err != nil {
			t.Fatalf("%s: %v", dsn, err)
		}
		if got := target.options.Auth.Password; got != want {
			t.Errorf("%s: the password %s is taken, want %s", dsn, got, want)
		}
		if warned := len(target.warnings) > 0; warned != (want == "of the address") {
			t.Errorf("%s: warnings %q", dsn, target.warnings)
		}
	}
}

// TestSecretsAreNotPrinted prints what holds a password in every way, and every
// error that an address with one can give.
func TestSecretsAreNotPrinted(t *testing.T) {
	var logged bytes.Buffer
	o := Options{Password: hush, Logger: slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) }))
	defer refusing.Close()
	at := strings.TrimPrefix(refusing.URL, "http://")
	var texts []string
	for _, dsn := range []string{
		"clickhouse://u:" + hush + "@127.0.0.1:1/db",
		"http://u:" + hush + "@127.0.0.1:1/db",
		"http://127.0.0.1:1/db?username=u&password=" + hush,
		"http://u:" + hush + "@" + at + "/db?debug=true",
		"https://u:" + hush + "@" + at + "/db",
		"http://u:" + hush + "@127.0.0.1:1/db?http_proxy=http%3A%2F%2Fp%3A" + hush + "%40127.0.0.1%3A1",
		"http://u:" + hush + "@127.0.0.1:1/db?dial_timeout=soon",
		"http://u:" + hush + "@127.0.0.1:1/db?pasword=" + hush,
		"http://u:" + hush + "/@127.0.0.1:1/db",
		"http://u:" + hush + "#@127.0.0.1:1/db",
		"http://u:" + hush + "?@127.0.0.1:1/db",
		"http://u:" + hush + "%zz@127.0.0.1:1/db",
		"http://u:" + hush + "@127.0.0.1:1/db?password=%zz" + hush,
		"http://u:" + hush + "@127.0.0.1:x/db",
		"http://u@" + hush + "@127.0.0.1:1/db",
		"http://u@127.0.0.1:1/db",
		"clickhose://u:" + hush + "@127.0.0.1:1/db",
		"clickhouse://h/db?password=p@" + hush,
		"http://u:12/" + hush + "@127.0.0.1:1/db",
		"clickhouse:u:" + hush + "@127.0.0.1:1/db",
		"clickhouse:/u:" + hush + "@127.0.0.1:1/db",
		"u:" + hush + "@127.0.0.1:1/db",
		"clickhouse//u@127.0.0.1/db?password=" + hush,
	} {
		texts = append(texts, Redact(dsn))
		if target, err := ParseDSN(dsn, o); err != nil {
			texts = append(texts, err.Error())
		} else {
			texts = append(texts, fmt.Sprintf("%v %+v %#v %s %q", target, target, target, target, target), fmt.Sprintf("%v %+v %#v", *target, *target, *target))
			o.Logger.Info("it", "target", target)
		}
		for _, err := range []error{openError(t, dsn, o), Migrate(t.Context(), dsn, o, true, nil)} {
			if err == nil {
				t.Fatalf("%s can be opened", dsn)
			}
			texts = append(texts, err.Error(), fmt.Sprintf("%+v %#v", err, err))
		}
	}
	text, err := json.Marshal(map[string]any{"options": o.Password})
	if err != nil {
		t.Fatal(err)
	}
	o.Logger.Info("they", "options", o, "password", o.Password)
	texts = append(texts, fmt.Sprintf("%v %+v %#v", o, o, o), string(text), logged.String())
	for _, text := range texts {
		if strings.Contains(text, hush) {
			t.Errorf("the password stands in %s", text)
		}
	}
}

func openError(t *testing.T, dsn string, o Options) error {
	s, err := Open(t.Context(), dsn, o)
	if err == nil {
		closeStore(t, s)
	}
	return err
}

// TestPasswordArrives looks at what the server is told.
func TestPasswordArrives(t *testing.T) {
	var user, password, agent string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		agent = r.UserAgent()
		w.Header().Set("X-ClickHouse-Exception-Code", "516")
		http.Error(w, "Code: 516. DB::Exception: u: Authentication failed. (AUTHENTICATION_FAILED)", http.StatusForbidden)
	}))
	defer server.Close()
	dsn := strings.Replace(server.URL, "://", "://u@", 1) + "/db?password_file=" + writeFile(t, hush+"\n")
	err := openError(t, dsn, Options{Version: "9.9"})
	if user != "u" || password != hush || !strings.HasPrefix(agent, "hindcast/9.9 ") {
		t.Errorf("the server was told user %q, password %q, agent %q", user, password, agent)
	}
	if err == nil || code(err) != 516 || !strings.Contains(err.Error(), "Authentication failed") {
		t.Errorf("got error %v, want that authentication failed", err)
	}
}

// TestTLS opens a store by a proxy with TLS and a client's certificate.
func TestTLS(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	if engine.Native() {
		t.Skip("the proxy speaks HTTP")
	}
	cert, key, parsed := certificate(t)
	server := httptest.NewUnstartedServer(newForward(engine))
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := writeFile(t, string(encpem.EncodeToMemory(&encpem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))

	at := strings.Replace(strings.Replace(dsn, "http://", "https://", 1), engine.Addr(), server.Listener.Addr().String(), 1)
	good := url.Values{"ca_file": {ca}, "cert_file": {cert}, "key_file": {key}, "server_name": {"example.com"}}
	closeStore(t, mustOpen(t, at+"?"+good.Encode(), Options{}))

	if err := openError(t, at+"?"+url.Values{"cert_file": {cert}, "key_file": {key}}.Encode(), Options{}); err == nil || !wrongCertificate(err) {
		t.Errorf("without the authority: got error %v", err)
	}
	if err := openError(t, at+"?"+url.Values{"ca_file": {ca}}.Encode(), Options{}); err == nil {
		t.Error("without the client's certificate it can be opened")
	}
	wrong := url.Values{"ca_file": {ca}, "cert_file": {cert}, "key_file": {key}, "server_name": {"other.org"}}
	if err := openError(t, at+"?"+wrong.Encode(), Options{}); err == nil || !wrongCertificate(err) {
		t.Errorf("with another name: got error %v", err)
	}
}

// certificate makes one for a client.
func certificate(t *testing.T) (certFile, keyFile string, parsed *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if parsed, err = x509.ParseCertificate(raw); err != nil {
		t.Fatal(err)
	}
	certFile = writeFile(t, string(encpem.EncodeToMemory(&encpem.Block{Type: "CERTIFICATE", Bytes: raw})))
	keyFile = writeFile(t, string(encpem.EncodeToMemory(&encpem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return certFile, keyFile, parsed
}

// pem is a file with some certificate.
func pem(t *testing.T) string {
	file, _, _ := certificate(t)
	return file
}

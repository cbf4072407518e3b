package docs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"go/ast"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/eventrecorder"
	"go.yaml.in/yaml/v3"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest"
)

// TestKafkaConfigurations lets the binary check what the page on Kafka shows,
// with the files that it names.
func TestKafkaConfigurations(t *testing.T) {
	certificate, key := selfSigned(t)
	checked := 0
	for _, b := range blocks(read(t, "kafka.md")) {
		if !strings.HasPrefix(b.text, "# hindcast.yml") {
			continue
		}
		dir := t.TempDir()
		for name, content := range map[string][]byte{
			"hindcast.yml": []byte(b.text), "kafka-ca.pem": certificate, "hindcast.pem": certificate, "hindcast.key": key,
			"kafka-password": []byte("hush\n"), "oauth-secret": []byte("hush\n"),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(binary, "check-config", filepath.Join(dir, "hindcast.yml")).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s\n%s", err, out, b.text)
		}
		if strings.Contains(string(out), "hush") {
			t.Errorf("check-config shows a secret:\n%s", out)
		}
		checked++
	}
	if checked < 4 {
		t.Errorf("checked only %d configurations", checked)
	}
}

// selfSigned is a certificate and its key, in PEM.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
}

// TestKafkaFormats holds that the page has every format, and where it is posted.
func TestKafkaFormats(t *testing.T) {
	page := read(t, "kafka.md")
	for _, f := range ingest.DefaultFormats(ingest.FormatOptions{Limits: ingest.DefaultLimits()}) {
		row := regexp.MustCompile("(?m)^\\| `" + f.Name + "` \\|.*\\|([^|]*)\\|$").FindStringSubmatch(page)
		if row == nil {
			t.Errorf("docs/kafka.md has no row for the format %s", f.Name)
			continue
		}
		want := ""
		if f.Path != "" {
			want = "`" + f.Path + "`"
		}
		if got := strings.TrimSpace(row[1]); got != want {
			t.Errorf("docs/kafka.md says that %s is posted to %s, want %s", f.Name, got, want)
		}
	}
}

// TestKafkaExamples decodes what the page shows of records, in the format that
// is named last before them.
func TestKafkaExamples(t *testing.T) {
	c := config.Default()
	formats := ingest.DefaultFormats(c.Formats())
	named := regexp.MustCompile("for `([a-z-]+)`:")
	decoded := 0
	for _, b := range blocks(read(t, "kafka.md")) {
		m := named.FindAllStringSubmatch(b.before, -1)
		if len(m) == 0 {
			continue
		}
		format, ok := formats.Named(m[len(m)-1][1])
		if !ok {
			t.Errorf("there is no format %s", m[len(m)-1][1])
			continue
		}
		text := b.text
		if b.language == "sh" {
			_, text, _ = strings.Cut(text, "<<'RECORDS'\n")
			text, _, _ = strings.Cut(text, "RECORDS\n")
		}
		batch, err := format.Take(ingest.Input{Body: []byte(text), ReceivedAt: time.Now()})
		if err != nil || len(batch.Asides) > 0 || batch.Len() == 0 {
			t.Errorf("as %s: %v, %d facts, %d put aside:\n%s", format.Name, err, batch.Len(), len(batch.Asides), text)
		}
		decoded++
	}
	if decoded < 3 {
		t.Errorf("decoded only %d records", decoded)
	}
}

// kafkaTexts are the texts in the sources of what speaks to Kafka.
func kafkaTexts(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"../ingest/kafka", "../ingest/kafka/delivery"} {
		for _, f := range sources(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok {
					all.WriteString(text(l) + "\n")
				}
				return true
			})
		}
	}
	return all.String()
}

// TestKafkaSymptoms holds that what the log is said to say is in the code, and
// that every metric, header and reason of the code is on the page.
func TestKafkaSymptoms(t *testing.T) {
	page, texts := read(t, "kafka.md"), kafkaTexts(t)
	_, table, ok := strings.Cut(page, "\n## Troubleshooting\n")
	found := 0
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		found++
		if !strings.Contains(texts, m[1]) {
			t.Errorf("nothing in ingest/kafka says %q", m[1])
		}
	}
	if !ok || found < 10 {
		t.Errorf("found only %d symptoms", found)
	}
	for _, name := range regexp.MustCompile(`(?m)^(?:hindcast_kafka_\w+|hindcast-(?:topic|partition|offset|format|error|at|time|cut|headers))$`).FindAllString(texts, -1) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/kafka.md does not explain %s", name)
		}
	}
	for _, reason := range constants(t, "../ingest/kafka/delivery", "GapReason") {
		if !strings.Contains(page, "\n| `"+reason+"` |") {
			t.Errorf("docs/kafka.md has no row for the gap %q", reason)
		}
	}
}

// TestKafkaTimeouts holds that the session's time-out is said as it is.
func TestKafkaTimeouts(t *testing.T) {
	c := config.Default().Kafka
	if want := "`session_timeout` (" + c.SessionTimeout.String()[:1] + " s)"; !strings.Contains(read(t, "kafka.md"), want) {
		t.Errorf("docs/kafka.md does not say %s", want)
	}
}

// TestAlertmanagerWritesToKafka lets Alertmanager's own parser read what the page
// says to write into its configuration.
func TestAlertmanagerWritesToKafka(t *testing.T) {
	for _, b := range blocks(read(t, "kafka.md")) {
		if !strings.HasPrefix(b.text, "# alertmanager.yml") {
			continue
		}
		var c struct {
			EventRecorder eventrecorder.Config `yaml:"event_recorder"`
		}
		d := yaml.NewDecoder(strings.NewReader(b.text))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil {
			t.Fatal(err)
		}
		if out := c.EventRecorder.KafkaOutputs; len(out) != 1 || out[0].Topic != "alertmanager" || out[0].Acks != "all" {
			t.Errorf("it is read as %+v", out)
		}
		return
	}
	t.Error("docs/kafka.md shows no configuration of Alertmanager")
}

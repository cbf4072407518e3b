package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Secure is what clients need for the listeners of a broker with Options.Secure.
// The certificates are made for each broker and name 127.0.0.1 and localhost.
type Secure struct {
	// TLS asks for no certificate of the client; Mutual demands one that CAFile
	// signed; SASL is without TLS, SASLTLS with it. Each is a host:port.
	TLS, Mutual, SASL, SASLTLS string
	// CAFile signed all certificates; CertFile and KeyFile are a client's. PEM.
	CAFile, CertFile, KeyFile string
	// Username and Password are those of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
	Username, Password string

	ca     *x509.CertPool
	client tls.Certificate
	store  string // of the broker: its key and certificate
}

func newSecure(dir string) (*Secure, error) {
	s := &Secure{
		CAFile:   filepath.Join(dir, "ca.pem"),
		CertFile: filepath.Join(dir, "client.pem"),
		KeyFile:  filepath.Join(dir, "client.key"),
		Username: "hindcast",
		Password: "p4ss-of-the-test",
		ca:       x509.NewCertPool(),
		store:    filepath.Join(dir, "broker.pem"),
	}
	ca, err := newCertificate("hindcast test CA", nil)
	if err != nil {
		return nil, err
	}
	broker, err := newCertificate("broker", ca)
	if err != nil {
		return nil, err
	}
	client, err := newCertificate("client", ca)
	if err != nil {
		return nil, err
	}
	s.ca.AddCert(ca.leaf)
	if s.client, err = tls.X509KeyPair(client.certPEM, client.keyPEM); err != nil {
		return nil, fmt.Errorf("read the client's certificate: %w", err)
	}
	for file, text := range map[string][]byte{
		s.CAFile:   ca.certPEM,
		s.CertFile: client.certPEM,
		s.KeyFile:  client.keyPEM,
		s.store:    append(append([]byte{}, broker.keyPEM...), broker.certPEM...),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, fmt.Errorf("write a certificate: %w", err)
		}
	}
	return s, nil
}

// Config trusts the broker's certificate and shows the client's.
func (s *Secure) Config() *tls.Config {
	return &tls.Config{RootCAs: s.ca, Certificates: []tls.Certificate{s.client}, MinVersion: tls.VersionTLS12}
}

// Token is an unsecured JWS (RFC 7515, alg none) as the broker takes it with
// OAUTHBEARER: valid from now for a while. A negative one has expired.
func (s *Secure) Token(valid time.Duration) string {
	now := time.Now()
	claims, err := json.Marshal(map[string]any{
		"sub": s.Username, "iat": now.Add(-time.Hour).Unix(), "exp": now.Add(valid).Unix(),
	})
	if err != nil {
		panic(err) // a map of strings and numbers always encodes
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode(claims) + "."
}

// use says where the broker listens.
func (s *Secure) use(p addresses) {
	s.TLS, s.Mutual, s.SASL, s.SASLTLS = p.tls, p.mutual, p.sasl, p.saslTLS
}

func (s *Secure) listeners(p addresses) []string {
	return []string{
		"TLS://" + p.tls, "MUTUAL://" + p.mutual, "SASL://" + p.sasl, "SASLTLS://" + p.saslTLS,
	}
}

// scramUsers are the flags that put the user into an empty log folder.
func (s *Secure) scramUsers() []string {
	credentials := fmt.Sprintf("[name=%s,password=%s]", s.Username, s.Password)
	return []string{"--add-scram", "SCRAM-SHA-256=" + credentials, "--add-scram", "SCRAM-SHA-512=" + credentials}
}

// properties are the lines of server.properties for TLS and SASL.
func (s *Secure) properties() map[string]string {
	p := map[string]string{
		"ssl.keystore.type":                    "PEM",
		"ssl.keystore.location":                s.store,
		"ssl.truststore.type":                  "PEM",
		"ssl.truststore.location":              s.CAFile,
		"ssl.client.auth":                      "none",
		"listener.name.mutual.ssl.client.auth": "required",
	}
	const security = "org.apache.kafka.common.security."
	for _, listener := range []string{"sasl", "sasltls"} {
		prefix := "listener.name." + listener + "."
		p[prefix+"sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
		p[prefix+"plain.sasl.jaas.config"] = fmt.Sprintf("%splain.PlainLoginModule required user_%s=%q;", security, s.Username, s.Password)
		p[prefix+"scram-sha-256.sasl.jaas.config"] = security + "scram.ScramLoginModule required;"
		p[prefix+"scram-sha-512.sasl.jaas.config"] = security + "scram.ScramLoginModule required;"
		p[prefix+"oauthbearer.sasl.jaas.config"] = security + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`
	}
	return p
}

// certificate is one that was made here, with its key.
type certificate struct {
	leaf            *x509.Certificate
	key             *ecdsa.PrivateKey
	certPEM, keyPEM []byte
}

// newCertificate makes a certificate that signer signed, or with none, a CA.
func newCertificate(name string, signer *certificate) (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	parent, by := template, key
	if signer == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, by = signer.leaf, signer.key
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read a certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return &certificate{
		leaf: leaf, key: key,
		certPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}, nil
}

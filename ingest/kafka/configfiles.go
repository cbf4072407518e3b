package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"path/filepath"
)

// SetDirectory takes relative paths as relative to the folder of the
// configuration file.
func (c *Config) SetDirectory(dir string) {
	for _, file := range c.files() {
		if *file.path != "" && !filepath.IsAbs(*file.path) {
			*file.path = filepath.Join(dir, *file.path)
		}
	}
}

// files are the keys that name files.
func (c *Config) files() []configFile {
	return []configFile{
		{"tls.ca_file", &c.TLS.CAFile}, {"tls.cert_file", &c.TLS.CertFile}, {"tls.key_file", &c.TLS.KeyFile},
		{"sasl.password_file", &c.SASL.PasswordFile}, {"sasl.token_file", &c.SASL.TokenFile}, {"sasl.client_secret_file", &c.SASL.ClientSecretFile},
	}
}

type configFile struct {
	key  string
	path *string
}

// CheckFiles says of all files that are used whether they can be, joined as
// [Config.Validate] does. It tells nothing of what is in them.
func (c *Config) CheckFiles() error {
	var v problems
	c.TLS.checkFiles(&v)
	if key, path := c.SASL.secretFile(); path != "" {
		if _, err := readSecret(path); err != nil {
			v.add(key, "cannot be used: %v", err)
		}
	}
	return errors.Join(v...)
}

func (t *TLS) checkFiles(v *problems) {
	if !t.Enabled {
		return
	}
	read := func(key, path string) (text []byte, ok bool) {
		if path == "" {
			return nil, false
		}
		text, err := readBounded(path)
		if err != nil {
			v.add(key, "cannot be used: %v", err)
		}
		return text, err == nil
	}
	if text, ok := read("tls.ca_file", t.CAFile); ok && !x509.NewCertPool().AppendCertsFromPEM(text) {
		v.add("tls.ca_file", "cannot be used: %s holds no certificate in PEM", t.CAFile)
	}
	certificate, ok := read("tls.cert_file", t.CertFile)
	key, too := read("tls.key_file", t.KeyFile)
	if !ok || !too {
		return
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		v.conflict([]string{"tls.cert_file", "tls.key_file"}, "cannot be used with key_file: %v", err)
	}
}

// secretFile is the file whose secret the mechanism uses, and its key; "" for none.
func (s *SASL) secretFile() (key, path string) {
	switch {
	case s.Mechanism == MechanismOAuthBearer && s.TokenURL != "":
		return "sasl.client_secret_file", s.ClientSecretFile
	case s.Mechanism == MechanismOAuthBearer:
		return "sasl.token_file", s.TokenFile
	case s.Mechanism != "":
		return "sasl.password_file", s.PasswordFile
	}
	return "", ""
}

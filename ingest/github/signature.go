package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Errors of [VerifySignature].
var (
	// ErrNoSignature says that the header X-Hub-Signature-256 is missing.
	ErrNoSignature = errors.New("X-Hub-Signature-256 is missing: set the webhook's secret at GitHub")
	// ErrBadSignature says that none of the secrets made the signature.
	ErrBadSignature = errors.New("X-Hub-Signature-256 does not match the body: the secrets differ, or the body was changed")
)

// VerifySignature checks a webhook's header X-Hub-Signature-256 against the
// body as it was received. One of the secrets must have made it, so that a
// secret can be replaced while both are in use; empty ones are passed over,
// and with none nothing is genuine. It takes the same time whichever byte, and
// whichever secret, does not match.
func VerifySignature(secrets [][]byte, body []byte, header string) error {
	if header == "" {
		return ErrNoSignature
	}
	text, ok := strings.CutPrefix(header, "sha256=")
	if !ok || len(text) != 2*sha256.Size {
		return ErrBadSignature
	}
	sent, err := hex.DecodeString(text)
	if err != nil {
		return ErrBadSignature
	}
	genuine := false
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), sent) {
			genuine = true
		}
	}
	if !genuine {
		return ErrBadSignature
	}
	return nil
}

package github

import (
	"errors"
	"strings"
	"testing"
)

func TestVerifySignature(t *testing.T) {
	// The example of GitHub's documentation of webhooks.
	const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	secret, other, body := []byte("It's a Secret to Everybody"), []byte("other"), []byte("Hello, World!")
	for name, test := range map[string]struct {
		secrets [][]byte
		body    []byte
		header  string
		want    error
	}{
		"genuine":             {[][]byte{secret}, body, signature, nil},
		"while it is rotated": {[][]byte{other, secret}, body, signature, nil},
		"another secret":      {[][]byte{other}, body, signature, ErrBadSignature},
		"no secret":           {nil, body, signature, ErrBadSignature},
		"an empty secret":     {[][]byte{nil, {}}, body, signature, ErrBadSignature},
		"another body":        {[][]byte{secret}, []byte("Hello, World?"), signature, ErrBadSignature},
		"no header":           {[][]byte{secret}, body, "", ErrNoSignature},
		"SHA-1":               {[][]byte{secret}, body, "sha1=757107ea0eb2509fc211221cce984b8a37570b6d", ErrBadSignature},
		"no hex":              {[][]byte{secret}, body, "sha256=" + signature[:57] + "zzzzzzz", ErrBadSignature},
		"too short":           {[][]byte{secret}, body, signature[:50], ErrBadSignature},
	} {
		if err := VerifySignature(test.secrets, test.body, test.header); !errors.Is(err, test.want) {
			t.Errorf("%s: error is %v, want %v", name, err, test.want)
		}
	}
	// All of the signature counts, and not its beginning only.
	for i := len("sha256="); i < len(signature); i++ {
		near := []byte(signature)
		near[i] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", near[i])]
		if err := VerifySignature([][]byte{secret}, body, string(near)); !errors.Is(err, ErrBadSignature) {
			t.Errorf("with another digit at %d: error is %v, want %v", i, err, ErrBadSignature)
		}
	}
}

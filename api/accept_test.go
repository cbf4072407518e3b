package api

import "testing"

func TestNegotiate(t *testing.T) {
	tests := []struct{ accept, want string }{
		{"", typeJSON},
		{"*/*", typeJSON},
		{"*", typeJSON},
		{"application/*", typeJSON},
		{"text/*", typeMarkdown},
		{"text/markdown", typeMarkdown},
		{"text/markdown;q=0.5, application/json;q=0.4", typeMarkdown},
		{"text/markdown;q=0.4, application/json;q=0.5", typeJSON},
		{"text/markdown, application/json", typeMarkdown},
		{"application/json, text/markdown", typeJSON},
		// Named beats covered, where the quality is equal.
		{"*/*, text/markdown", typeMarkdown},
		{"text/*, */*", typeMarkdown},
		// The more specific range gives the quality, wherever it stands.
		{"text/*;q=0.9, text/markdown;q=0.1, application/json;q=0.5", typeJSON},
		{"*/*;q=0.1, text/markdown;q=0", typeJSON},
		{"*/*, application/json;q=0", typeMarkdown},
		{"application/json;q=0, text/markdown;q=0.001", typeMarkdown},
		{"text/markdown ; Q=0.3 , application/json ; q=0.2", typeMarkdown},
		// Refused.
		{"application/json;q=0", ""},
		{"*/*;q=0", ""},
		{"text/html", ""},
		{"application/xml, image/*", ""},
		// Unreadable parts are passed over.
		{",;q=1, ,nonsense", typeJSON},
		{"nonsense, text/markdown", typeMarkdown},
		{"text/markdown;q=high", typeMarkdown},
		{"text/markdown;q=NaN", typeMarkdown},
	}
	for _, tt := range tests {
		if got := negotiate(tt.accept, typeJSON, typeMarkdown); got != tt.want {
			t.Errorf("negotiate(%q) = %q, want %q", tt.accept, got, tt.want)
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, s := range []string{"", "*/*;q=0.5, text/markdown", ";;;,,,", "text/*;q=1e309", "a/b;q==;q="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		switch got := negotiate(accept, typeJSON, typeMarkdown); got {
		case "", typeJSON, typeMarkdown:
		default:
			t.Errorf("negotiate(%q) = %q, which was not offered", accept, got)
		}
	})
}

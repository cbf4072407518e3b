// Command generate writes the dashboards of deploy/grafana/dashboards.
//
// They are made by a program so that they are alike: the same variables, links,
// units and empty states everywhere, and SQL that can be read. Run it by
//
//	go generate ./deploy/grafana/generate
//
// after a change; a test fails when the files are not what it writes.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

//go:generate go run . ../dashboards

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// write writes all dashboards into a folder.
func write(dir string) error {
	for _, d := range []dashboard{incidents(), oneIncident(), changes(), alerts(), itself(), overAPI()} {
		text, err := d.json()
		if err != nil {
			return fmt.Errorf("encode %s: %w", d.uid, err)
		}
		if err := os.WriteFile(filepath.Join(dir, d.uid+".json"), text, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", d.uid, err)
		}
	}
	return nil
}

// object is a JSON object; its keys are written in order.
type object = map[string]any

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

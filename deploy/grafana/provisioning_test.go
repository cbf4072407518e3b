package grafana

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// provisioned is a file of data sources as Grafana reads it.
type provisioned struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		Name           string         `yaml:"name"`
		UID            string         `yaml:"uid"`
		Type           string         `yaml:"type"`
		Access         string         `yaml:"access"`
		URL            string         `yaml:"url"`
		BasicAuth      bool           `yaml:"basicAuth"`
		BasicAuthUser  string         `yaml:"basicAuthUser"`
		JSONData       map[string]any `yaml:"jsonData"`
		SecureJSONData map[string]any `yaml:"secureJsonData"`
	} `yaml:"datasources"`
}

// TestProvisionedSources wants one data source of each plug-in that a dashboard
// has, and no secret in a file.
func TestProvisionedSources(t *testing.T) {
	files, err := filepath.Glob("provisioning/datasources/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var plugins []string
	for _, file := range files {
		var p provisioned
		strictly(t, file, &p)
		if p.APIVersion != 1 || len(p.Datasources) != 1 {
			t.Fatalf("%s: want apiVersion 1 and one data source", file)
		}
		d := p.Datasources[0]
		if d.Name == "" || d.UID == "" {
			t.Errorf("%s: want a name and a uid", file)
		}
		plugins = append(plugins, d.Type)
		for name, secret := range d.SecureJSONData {
			if text, _ := secret.(string); !strings.HasPrefix(text, "$HINDCAST_") {
				t.Errorf("%s: %s is in the file, want it from the environment", file, name)
			}
		}
		if d.Type == "grafana-clickhouse-datasource" && (d.JSONData["defaultDatabase"] != "hindcast" || d.JSONData["username"] != "hindcast_grafana" || d.JSONData["secure"] != true) {
			t.Errorf("%s: want the database, the user and TLS as docs/grafana.md has them: %v", file, d.JSONData)
		}
	}
	for _, d := range dashboards(t) {
		if plugin := d.Panels[0].Datasource; plugin != nil && !slices.Contains(plugins, plugin.Type) {
			t.Errorf("%s: no data source of type %s is provisioned", d.UID, plugin.Type)
		}
	}
}

func TestProvisionedDashboards(t *testing.T) {
	var p struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name                  string            `yaml:"name"`
			Folder                string            `yaml:"folder"`
			FolderUID             string            `yaml:"folderUid"`
			Type                  string            `yaml:"type"`
			DisableDeletion       bool              `yaml:"disableDeletion"`
			AllowUIUpdates        bool              `yaml:"allowUiUpdates"`
			UpdateIntervalSeconds int               `yaml:"updateIntervalSeconds"`
			Options               map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	strictly(t, "provisioning/dashboards/hindcast.yaml", &p)
	if p.APIVersion != 1 || len(p.Providers) != 1 || p.Providers[0].Type != "file" || p.Providers[0].Options["path"] == "" {
		t.Errorf("want one provider that reads files: %+v", p)
	}
	page, err := os.ReadFile("../../docs/grafana.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dashboards(t) {
		if !strings.Contains(string(page), "`"+filepath.Base(d.file)+"`") {
			t.Errorf("docs/grafana.md does not tell of %s", d.file)
		}
	}
	if !strings.Contains(string(page), p.Providers[0].Options["path"]) {
		t.Errorf("docs/grafana.md does not copy the dashboards to %s", p.Providers[0].Options["path"])
	}
}

// strictly reads a file and refuses keys that Grafana does not know.
func strictly(t *testing.T, file string, into any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	decoder := yaml.NewDecoder(f)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

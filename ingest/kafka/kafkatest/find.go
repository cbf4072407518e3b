package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Unavailable says why no broker can run on this machine, and how to get one.
type Unavailable struct{ why string }

func (u *Unavailable) Error() string { return "no Kafka broker: " + u.why }

// installed is what a broker is started from.
type installed struct {
	java string // the java command
	lib  string // the folder of Kafka's jars
}

// find looks for Kafka's jars, which HINDCAST_TEST_KAFKA names or `make
// components` put into .cache, and for java.
func find() (installed, error) {
	lib := os.Getenv("HINDCAST_TEST_KAFKA")
	if lib == "" {
		root, err := moduleRoot()
		if err != nil {
			return installed{}, &Unavailable{"HINDCAST_TEST_KAFKA names no folder of jars"}
		}
		lib = filepath.Join(root, ".cache", "kafka", "lib")
	}
	if jars, err := filepath.Glob(filepath.Join(lib, "kafka_*.jar")); err != nil || len(jars) == 0 {
		return installed{}, &Unavailable{fmt.Sprintf("Kafka's jars are not in %q; `make components` fetches them", lib)}
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java := filepath.Join(home, "bin", "java")
		if _, err := os.Stat(java); err == nil {
			return installed{java: java, lib: lib}, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return installed{}, &Unavailable{"java (17 or later) is not on the PATH, nor does JAVA_HOME name it"}
	}
	return installed{java: java, lib: lib}, nil
}

// moduleRoot is the nearest folder above with a go.mod: tests run in the folder
// of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}

package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hindcast/hindcast/cmd/child/component"
)

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
		var err error
		if lib, err = component.Cached("kafka", "lib"); err != nil {
			return installed{}, unavailable("HINDCAST_TEST_KAFKA names no folder of jars")
		}
	}
	if jars, err := filepath.Glob(filepath.Join(lib, "kafka_*.jar")); err != nil || len(jars) == 0 {
		return installed{}, unavailable(fmt.Sprintf("Kafka's jars are not in %q; `make components` fetches them", lib))
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java := filepath.Join(home, "bin", "java")
		if _, err := os.Stat(java); err == nil {
			return installed{java: java, lib: lib}, nil
		}
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return installed{}, unavailable("java (17 or later) is not on the PATH, nor does JAVA_HOME name it")
	}
	return installed{java: java, lib: lib}, nil
}

func unavailable(why string) error { return &component.Unavailable{What: "Kafka broker", Why: why} }

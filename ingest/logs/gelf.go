package logs

// gelf says whether an object is a message of Graylog's GELF. Its version is then
// that of the format, 1.1 as a rule, and not of the service; what a sender adds
// has names that begin with an underscore, as _version.
type gelf struct{ host, short bool }

// field looks at a field of the outermost object.
func (g *gelf) field(name []byte) {
	switch string(name) {
	case "host":
		g.host = true
	case "short_message":
		g.short = true
	}
}

func (g *gelf) is() bool { return g.host && g.short }

// gelfVersion is the field that means another thing in GELF.
const gelfVersion = "version"

package server

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
)

// formats is a table of formats whose decoders and signature checks follow the
// configuration that is in force.
type formats struct {
	current atomic.Pointer[ingest.Formats]
}

func newFormats(c config.Config) *formats {
	f := &formats{}
	f.set(c)
	return f
}

// set puts a configuration in force: bodies that come from now on are read by
// it.
func (f *formats) set(c config.Config) {
	next := ingest.DefaultFormats(c.Formats())
	f.current.Store(&next)
}

// inForce is the table as it is now, for who asks each time.
func (f *formats) inForce() ingest.Formats { return *f.current.Load() }

// table is what receivers are made with. Which formats there are, and where
// they are posted, is the same whatever the configuration.
func (f *formats) table() ingest.Formats {
	var table ingest.Formats
	for _, format := range *f.current.Load() {
		name := format.Name
		format.Decode = func(in ingest.Input) (event.Batch, error) {
			now, ok := f.current.Load().Named(name)
			if !ok {
				return event.Batch{}, errors.New("the format " + name + " is not configured any more")
			}
			return now.Decode(in)
		}
		format.Verify = func(header http.Header, sent []byte) error {
			now, ok := f.current.Load().Named(name)
			if !ok || now.Verify == nil {
				return nil
			}
			return now.Verify(header, sent)
		}
		table = append(table, format)
	}
	return table
}

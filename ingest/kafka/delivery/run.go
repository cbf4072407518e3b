package delivery

import (
	"context"
	"errors"
)

// Run delivers a partition until ctx is done (nil) or the partition is lost
// ([ErrLost]); an error of the options is returned at once. Whatever else fails
// is tried again for ever. Nothing of it runs any more when it returns.
func Run(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	_ = ctx
	return errors.ErrUnsupported
}

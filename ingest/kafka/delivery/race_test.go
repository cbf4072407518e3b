//go:build race

package delivery

func init() { simSeeds = 300 } // the detector makes each twenty times slower

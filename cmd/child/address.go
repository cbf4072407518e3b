package child

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreeAddress is a host:port of 127.0.0.1 that nothing listens on at this moment.
// It lies below those that systems give to outgoing connections, or one of these
// could take it while a server is down.
func FreeAddress() (string, error) {
	addresses, err := FreeAddresses(1)
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}

// FreeAddresses are so many different ones.
func FreeAddresses(n int) ([]string, error) {
	var held []net.Listener // until all are found: none is found twice
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(22_000)))
		l, err := net.Listen("tcp", address)
		if err != nil {
			if tries >= 200*n {
				return nil, fmt.Errorf("find a free port: %w", err)
			}
			continue
		}
		held, addresses = append(held, l), append(addresses, address)
	}
	return addresses, nil
}

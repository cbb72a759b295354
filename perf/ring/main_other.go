//go:build !linux

// Command ring measures what a packet costs that lies in a full ring, on Linux.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "ring: packet sockets are Linux's")
	os.Exit(1)
}

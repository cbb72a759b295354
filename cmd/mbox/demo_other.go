//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

// demoLiveMissing says why the live demo cannot be had here.
func demoLiveMissing() error { return errors.New("network namespaces are for Linux only") }

// runDemoLive is not called: something is missing.
func (p *program) runDemoLive(context.Context, *options, *webOptions, time.Duration) error {
	return failure{demoLiveMissing()}
}

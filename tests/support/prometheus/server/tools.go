//go:build tools

// Package tools keeps Prometheus among this module's requirements.
package tools

import _ "github.com/prometheus/prometheus/cmd/prometheus"

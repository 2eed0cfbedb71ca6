//go:build tools

// Package metrics keeps the metrics server among this module's requirements.
package metrics

import _ "sigs.k8s.io/metrics-server/cmd/metrics-server"

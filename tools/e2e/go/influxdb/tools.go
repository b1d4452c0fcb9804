//go:build tools

// What of InfluxDB is built, so that go.mod and go.sum name all that it needs.
package tools

import _ "github.com/influxdata/influxdb/cmd/influxd"

// Reads a ServiceMonitor or PrometheusRule as JSON on standard input, by the types of the Prometheus operator: what they
// do not know is an error.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	v1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("name the kind"))
	}
	known := map[string]any{"ServiceMonitor": &v1.ServiceMonitor{}, "PrometheusRule": &v1.PrometheusRule{}}
	object, ok := known[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("no kind %q", os.Args[1]))
	}
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(object); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

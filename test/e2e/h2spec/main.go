// Runs h2spec, a conformance suite for HTTP/2 servers (RFC 9113, RFC 7541), against 127.0.0.1:PORT and writes a JUnit report.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	settings := config.Config{
		Host: "127.0.0.1",
		Port: port,
		// Its refusal is held for some ms, so that a second frame is there before the answer.
		Path:         "/v1/models",
		Timeout:      2 * time.Second,
		MaxHeaderLen: 4000,
		JUnitReport:  os.Args[2],
		Strict:       true,
	}
	// What fails is in the report.
	if _, err := h2spec.Run(&settings); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

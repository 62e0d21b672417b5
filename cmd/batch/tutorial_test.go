package main

import (
	"net/http/httptest"
	"testing"

	"github.com/billonce/billonce/internal/billing/billingfake"
)

// The one invoice whose answer gets lost is billed all the same.
func TestTutorial(t *testing.T) {
	t.Parallel()
	// As the page starts it, with the seed that is the command's default.
	const address, faults, seed = "127.0.0.1:8080", "apply_then_reset=0.005", 1
	fault, err := billingfake.ParseFaults(faults, seed)
	if err != nil {
		t.Fatal(err)
	}
	api := billingfake.New(billingfake.Config{Fault: fault})
	t.Cleanup(api.Close)
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	document{t: t, path: "../../docs/tutorial.md", replace: map[string]string{
		"http://" + address: server.URL,
		"batch fake-api --addr " + address + " --faults " + faults: "",
	}}.run()
	if sum := api.Summary(); sum.Effects != 201 || sum.Requests != 201 {
		t.Errorf("%+v, want each of 201 asked for and billed once", sum.Counts)
	}
}

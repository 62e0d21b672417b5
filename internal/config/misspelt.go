package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/fault"
	"github.com/billonce/billonce/internal/words"
)

// retired are names that were ours, and what to write instead of each: it is exit code
// 2 to go on as if they said nothing.
func retired() map[string]string {
	return map[string]string{
		"BILLING_SUCCESS": `a rule says it now, with the same regular expression: BILLING_OUTCOMES='2xx if text.matches("…") -> accepted'`,
	}
}

// checkNames finds names that are not ours but were, or nearly are. What could change
// money is a fault; all else that looks like a slip is a warning.
func checkNames(environ []string, retired map[string]string) (faults []fault.Fault, warnings []string) {
	set := make(map[string]bool, len(environ))
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		set[name] = true
	}
	ours := make(map[string]variable)
	var known []string // in the order of Config
	for _, v := range variables() {
		ours[v.name] = v
		known = append(known, v.name)
		if v.secret {
			ours[v.fileTwin()] = v
			known = append(known, v.fileTwin())
		}
	}
	for name := range set {
		if _, is := ours[name]; is {
			continue
		}
		if instead, was := retired[name]; was {
			faults = append(faults, fault.New(name, "is not read any more; %s", instead))
			continue
		}
		meant, problem := nearest(name, known)
		if of, isFile := strings.CutSuffix(name, "_FILE"); isFile && slices.Contains(known, of) {
			meant, problem = of, "is not read: only a secret may come from a file; set "+of+" itself"
		}
		switch {
		case meant == "" || isForeign(name):
		case changesMoney(meant):
			faults = append(faults, fault.Fault{Variable: name, Of: ours[meant].name, Problem: problem})
		case !set[meant]: // else it is another program's
			warnings = append(warnings, fmt.Sprintf("%s %s", name, problem))
		}
	}
	slices.Sort(warnings)
	return faults, warnings
}

// nearest is the known name that another one is close to; empty: none.
func nearest(name string, known []string) (meant, problem string) {
	best := 3
	for _, of := range known {
		allowed := 2
		if _, rest, _ := strings.Cut(of, "_"); len(of) < 8 || rest != "" && len(rest) < 6 {
			allowed = 1 // INVOICES_DB is no misspelt INVOICES_ID
		}
		if max(len(of)-len(name), len(name)-len(of)) > allowed {
			continue
		}
		if distance := words.EditDistance(name, of); distance <= allowed && distance < best {
			meant, best = of, distance
		}
	}
	return meant, "is not known; did you mean " + meant + "?"
}

// changesMoney says whether what a variable is set to decides what is billed.
func changesMoney(name string) bool {
	for _, prefix := range []string{"BILLING_", "INVOICE", "RUN", "LOCK", "LEDGER"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"CONCURRENCY", "CLAIM_SIZE", "LINGER", "DRAIN_TIMEOUT"}, name)
}

// isForeign knows names that other programs use, and that are close to ours: those
// that Kubernetes sets for each Service (its documentation, Service, "Discovering
// services"), and a few of the world's.
func isForeign(name string) bool {
	service := regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)
	return service.MatchString(name) || strings.HasPrefix(name, "RUNNER_") ||
		slices.Contains([]string{"DATABASE_URI", "NODENAME", "JOBNAME"}, name)
}

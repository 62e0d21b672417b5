package config

import (
	"fmt"
	"strings"

	"github.com/billonce/billonce/internal/billing"
	"github.com/billonce/billonce/internal/words"
)

// Help is the text of `batch help environment`.
func Help() string {
	var b strings.Builder
	b.WriteString("The environment of batch. " + durations + "\n")
	for _, v := range variables() {
		fmt.Fprintf(&b, "\n%s (%s)\n", v.name, v.note())
		wrap(&b, v.desc, "    ", 76)
		if v.secret {
			wrap(&b, v.fileTwin()+" names a file with it instead.", "    ", 76)
		}
	}
	return b.String() + ExitCodes()
}

const durations = "Durations are written as 30s, 5m or 24h."

// ExitCodes is what the exit codes mean, for the terminal.
func ExitCodes() string {
	var b strings.Builder
	b.WriteString("\nThe exit codes of batch run:\n\n")
	for _, e := range exitCodes() {
		var meaning strings.Builder
		wrap(&meaning, e.meaning, "     ", 80)
		fmt.Fprintf(&b, "  %d  %s", e.code, strings.TrimLeft(meaning.String(), " "))
	}
	return b.String()
}

type exitCode struct {
	code    int
	meaning string
}

func exitCodes() []exitCode {
	return []exitCode{
		{billing.ExitDone, "nothing is left to do, or RUN_LIMIT is reached, or another run holds the run lock"},
		{billing.ExitError, "unexpected error"},
		{billing.ExitUsage, "usage or configuration; nothing was touched"},
		{billing.ExitPerson, "finished, and a person is needed: something is in_doubt, failed and still pending, pending again though sent, or can't be built, whichever run left it"},
		{billing.ExitStopped, "stopped early (signal, deadline, breaker, lock lost, canary), or what is left is locked by others or not yet due; the next run goes on"},
		{billing.ExitRefused, "refused: the environment is not safe"},
	}
}

// note is the default, or what stands for it.
func (v variable) note() string {
	switch {
	case v.needed == Database:
		return "required"
	case v.needed == Billing:
		return "required by run"
	case v.def != "":
		return "default: " + v.def
	}
	return "unset: " + v.unset
}

// Example is the text of .env.example.
func Example() string {
	var b strings.Builder
	b.WriteString(`# The environment of ` + "`batch`" + `, complete: every variable, with its default.
# Made of internal/config by ` + "`make docs`" + `.
#
# The two that are required are written out; the others are commented out, and
# keep their default as long as they are. ` + durations + `
# Values with spaces stand in quotes, for a shell (set -a; . ./.env) and for
# Compose; ` + "`docker run --env-file`" + ` wants them without.
#
# A secret may come from a file instead: its _FILE twin names it, and a newline
# at its end is cut off. One of the two may be set, not both.
`)
	for _, v := range variables() {
		if v.group != "" {
			fmt.Fprintf(&b, "\n# --- %s %s\n", v.group, strings.Repeat("-", 73-len(v.group)))
		}
		b.WriteString("\n")
		text := v.desc
		switch {
		case v.needed != Nothing:
			text += "\n" + v.required()
		case v.def == "" && v.needed == Nothing:
			text += "\nUnset: " + strings.TrimSuffix(v.unset, ".") + "."
		}
		wrap(&b, text, "# ", 80)
		entry := v.name + "=" + v.def
		if strings.Contains(v.def, " ") {
			entry = v.name + "='" + v.def + "'"
		}
		if v.needed == Nothing {
			entry = "#" + entry
		}
		b.WriteString(entry + "\n")
		if v.secret {
			b.WriteString("#" + v.fileTwin() + "=\n")
		}
	}
	return b.String()
}

// Reference is the text of docs/reference.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Reference

Every variable of the environment, and the exit codes. Made of internal/config by
` + "`make docs`" + `; ` + "`batch help environment`" + ` shows the same.

` + durations + `

A secret may come from a file: its ` + "`…_FILE`" + ` twin names it, a newline at its end is cut
off, and one of the two may be set, not both.

What is malformed stops the program before it touches anything, with all that is
wrong in one message and no secret in it. So does a name that is close to one of
these where it could change money; where it could not, there is a warning.
`)
	for _, v := range variables() {
		if v.group != "" {
			fmt.Fprintf(&b, "\n## %s\n", v.group)
		}
		fmt.Fprintf(&b, "\n### `%s`\n\n%s\n\n", v.name, v.facts())
		writeMarkdown(&b, v.desc)
	}
	b.WriteString("\n## Exit codes of `batch run`\n\n| code | meaning |\n| --- | --- |\n")
	for _, e := range exitCodes() {
		fmt.Fprintf(&b, "| %d | %s |\n", e.code, e.meaning)
	}
	return b.String()
}

// required says by which commands.
func (v variable) required() string {
	switch v.needed {
	case Database:
		return "Required by every command that looks at invoices."
	case Billing:
		return "Required by `batch run`."
	}
	return ""
}

// facts are what is known of a variable besides what it means.
func (v variable) facts() string {
	facts := v.required()
	switch {
	case v.def != "":
		facts = "Default: `" + v.def + "`."
	case v.needed == Nothing:
		facts = "Unset: " + strings.TrimSuffix(v.unset, ".") + "."
	}
	low, high := v.field.Tag.Get("min"), v.field.Tag.Get("max")
	switch {
	case len(v.oneof) > 0:
		facts += " One of `" + strings.Join(v.oneof, "`, `") + "`."
	case low != "" && high != "":
		facts += " From " + low + " to " + high + "."
	case low != "":
		facts += " At least " + low + "."
	}
	if v.secret {
		facts += " A secret: `" + v.fileTwin() + "` names a file with it instead."
	}
	return facts
}

// writeMarkdown writes a description, and its lists as they are.
func writeMarkdown(b *strings.Builder, desc string) {
	literal := false
	for line := range strings.SplitSeq(desc, "\n") {
		list := strings.HasPrefix(line, "  ")
		if list != literal {
			b.WriteString("\n")
			literal = list
		}
		if list {
			b.WriteString("    " + strings.TrimPrefix(line, "  ") + "\n")
		} else {
			wrap(b, line, "", 84)
		}
	}
}

// wrap writes words in lines of at most width; lines that begin with two spaces stay
// as they are.
func wrap(b *strings.Builder, text, indent string, width int) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "  ") {
			line = indent + line
		} else if line != "" {
			line = words.Wrap(line, width, indent, indent)
		}
		b.WriteString(line + "\n")
	}
}

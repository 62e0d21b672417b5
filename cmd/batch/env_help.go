package main

import (
	"fmt"
	"strings"
)

// environmentHelp is the text of `batch help environment`, made from config.
func environmentHelp() string {
	var text strings.Builder
	text.WriteString("The environment of batch. Durations are written as 30s, 5m or 24h.\n")
	for _, v := range variables() {
		fmt.Fprintf(&text, "\n%s (%s)\n", v.name, v.defaultNote())
		writeWrapped(&text, v.desc, "    ", 76)
		if v.secret {
			writeWrapped(&text, v.fileTwin()+" names a file with it instead.", "    ", 76)
		}
	}
	return text.String()
}

func (v variable) defaultNote() string {
	switch {
	case v.needed == needDatabase:
		return "required"
	case v.needed == needBilling:
		return "required by run"
	case v.def != "":
		return "default: " + v.def
	}
	return "unset: " + v.unset
}

func writeWrapped(text *strings.Builder, words, indent string, width int) {
	used := 0
	for _, word := range strings.Fields(words) {
		switch {
		case used == 0:
			text.WriteString(indent)
			used = len(indent)
		case used+1+len(word) > width:
			text.WriteString("\n" + indent)
			used = len(indent)
		default:
			text.WriteString(" ")
			used++
		}
		text.WriteString(word)
		used += len(word)
	}
	text.WriteString("\n")
}

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// Fingerprint has a hash of each setting that decides what is sent, to where, what
// replies mean, or which invoices are pending (the tag decides), by its variable. Of
// what may hold a secret only the form is hashed, so that a new secret is no change.
func (c Config) Fingerprint() map[string]string {
	all := map[string]string{}
	for _, v := range variables() {
		if v.field.Tag.Get("decides") != "true" {
			continue
		}
		text := fmt.Sprint(v.valueIn(&c).Interface())
		switch {
		case v.secret:
			text = formOf(text)
		case v.form == "template":
			text = regexp.MustCompile(`//[^/?#@]*@`).ReplaceAllString(text, "//")
		}
		sum := sha256.Sum256([]byte(text))
		all[v.name] = hex.EncodeToString(sum[:8])
	}
	return all
}

// formOf is the names and the placeholders of headers.
func formOf(headers string) string {
	names := regexp.MustCompile(`(?m)(?:^|,)\s*([A-Za-z0-9-]+)\s*:|\{[^}]*\}`).FindAllString(headers, -1)
	return strings.Join(names, "\n")
}

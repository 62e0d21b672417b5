package config

import (
	"net"
	"net/url"
	"strconv"
)

// checkForm says what is wrong with a text that is to have a form. It quotes nothing:
// people put keys into URLs.
func checkForm(form, text string) string {
	switch {
	case form == "url" && !isURL(text):
		return "is not an absolute http or https URL; write for example http://host:9091"
	case form == "address" && !isListenAddress(text):
		return "is not an address to listen at; write for example :9090"
	}
	return ""
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func isListenAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// plainFlagError says what a flag takes, where the library says how Go reads it.
func plainFlagError(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	takes, known := map[string]string{
		"int": "a whole number", "int64": "a whole number", "float64": "a number",
		"duration": "a time with its unit, such as 30s or 2m", "bool": "true or false",
	}[invalid.GetFlag().Value.Type()]
	if !known {
		return err
	}
	return fmt.Errorf("--%s %s: write %s", invalid.GetFlag().Name, invalid.GetValue(), takes)
}

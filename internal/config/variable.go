package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/kelseyhightower/envconfig"
)

// variable is one field of Config, with its tags.
type variable struct {
	field  reflect.StructField
	name   string
	group  string // empty: the one before it
	def    string
	unset  string
	desc   string
	form   string
	oneof  []string
	needed Needs
	secret bool
}

func variables() []variable {
	var all []variable
	for field := range reflect.TypeFor[Config]().Fields() {
		tag := field.Tag
		if tag == "" {
			continue
		}
		v := variable{
			field:  field,
			name:   tag.Get("envconfig"),
			group:  tag.Get("group"),
			def:    tag.Get("default"),
			unset:  tag.Get("unset"),
			desc:   tag.Get("desc"),
			form:   tag.Get("form"),
			oneof:  strings.Fields(tag.Get("oneof")),
			secret: tag.Get("secret") == "true",
		}
		switch tag.Get("needed") {
		case "database":
			v.needed = Database
		case "billing":
			v.needed = Billing
		}
		all = append(all, v)
	}
	return all
}

// fileTwin is the variable that names a file with the secret in it.
func (v variable) fileTwin() string { return v.name + "_FILE" }

func (v variable) valueIn(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().FieldByIndex(v.field.Index)
}

// decodeInto sets the variable's field and returns what is wrong with text.
func (v variable) decodeInto(c *Config, text string) (problem string) {
	text = v.word(text)
	value, err := v.decode(text)
	if err != nil {
		return v.explain(text, err)
	}
	if problem := checkForm(v.form, text); problem != "" {
		return problem
	}
	if len(v.oneof) > 0 && !slices.Contains(v.oneof, text) {
		return fmt.Sprintf("%s is not one of %s", quote(text), strings.Join(v.oneof, ", "))
	}
	if problem := v.outOfBounds(value, text); problem != "" {
		return problem
	}
	v.valueIn(c).Set(value)
	return ""
}

// word is text as oneof has it.
func (v variable) word(text string) string {
	if v.field.Tag.Get("anycase") == "true" {
		text = strings.ToLower(text)
	}
	if other, one, found := strings.Cut(v.field.Tag.Get("alias"), "="); found && text == other {
		return one
	}
	return text
}

// decode has envconfig parse one text for one field. envconfig by itself stops
// at the first fault, prints the value it could not parse, and reads the
// process's environment alone. So it is given one field at a time, with the
// text as its default, under a name that no environment can hold.
func (v variable) decode(text string) (reflect.Value, error) {
	one := reflect.New(reflect.StructOf([]reflect.StructField{{
		Name: v.field.Name,
		Type: v.field.Type,
		Tag:  reflect.StructTag(`envconfig:"=" default:` + strconv.Quote(text)),
	}}))
	if err := envconfig.Process("", one.Interface()); err != nil {
		return reflect.Value{}, err
	}
	return one.Elem().Field(0), nil
}

// explain rewords an error of decode. It quotes text only where the variable's
// type rules a secret out.
func (v variable) explain(text string, err error) string {
	switch v.field.Type.Kind() {
	case reflect.Bool:
		return quote(text) + " is neither true nor false"
	case reflect.Float64:
		return quote(text) + " is not a number"
	case reflect.Int:
		return quote(text) + " is not a whole number"
	case reflect.Int64:
		return quote(text) + " is not a duration; write for example 30s"
	}
	parseErr, ok := errors.AsType[*envconfig.ParseError](err)
	if !ok {
		return "is not understood"
	}
	// A ParseError does not unwrap.
	if syntaxErr, ok := errors.AsType[*syntax.Error](parseErr.Err); ok {
		return "is not a regular expression: " + syntaxErr.Code.String()
	}
	return parseErr.Err.Error()
}

func (v variable) outOfBounds(value reflect.Value, text string) string {
	number := v.number(value)
	switch {
	case math.IsNaN(number), math.IsInf(number, 0):
		return quote(text) + " is not a number"
	case value.Kind() == reflect.Int && len(text) > 1 && text[0] == '0':
		return quote(text) + " would be octal; write it without the leading zero"
	}
	low, high := v.field.Tag.Get("min"), v.field.Tag.Get("max")
	if low != "" && number < v.bound(low) {
		return quote(text) + " is below " + low
	}
	if high != "" && number > v.bound(high) {
		return quote(text) + " is above " + high
	}
	return ""
}

// number is what bounds are compared with; 0 where the type has none. No bound is so
// large that a float64 would round it.
func (v variable) number(value reflect.Value) float64 {
	switch {
	case value.CanInt():
		return float64(value.Int())
	case value.CanFloat():
		return value.Float()
	}
	return 0
}

func (v variable) bound(text string) float64 {
	value, err := v.decode(text)
	if err != nil {
		panic("config: bad bound of " + v.name) // a slip in the struct's tags, found by any test
	}
	return v.number(value)
}

// quote shows a value in one short line.
func quote(text string) string {
	const most = 40
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}

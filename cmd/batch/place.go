package main

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"
)

// completionIndex is which pod of an Indexed Job this is, from 0 (Kubernetes,
// Jobs, Completion mode).
func (a app) completionIndex() (uint32, bool) {
	text, _ := a.env("JOB_COMPLETION_INDEX")
	index, err := strconv.ParseUint(text, 10, 31)
	return uint32(index), err == nil
}

// startingPlace is where among the ids a shared run starts, from 0 to below 1.
// The pods of an Indexed Job know their number, and not how many they are: 0, ½,
// ¼, ¾, ⅛, … (van der Corput's sequence) lie evenly whatever comes after.
func (a app) startingPlace() float64 {
	if index, ok := a.completionIndex(); ok {
		return float64(bits.Reverse32(index)) / (math.MaxUint32 + 1)
	}
	return rand.Float64()
}

package main

import (
	"slices"
	"testing"

	"github.com/billonce/billonce/internal/config"
)

func TestPodsOfAnIndexedJobStartAtEvenPlaces(t *testing.T) {
	t.Parallel()
	var places []float64
	for _, index := range []string{"0", "1", "2", "3", "4", "5", "6", "7"} {
		a := app{env: config.LookupIn([]string{"JOB_COMPLETION_INDEX=" + index})}
		places = append(places, a.startingPlace())
	}
	if places[0] != 0 {
		t.Errorf("the first pod starts at %v, want 0", places[0])
	}
	slices.Sort(places)
	for i, place := range places {
		if place != float64(i)/8 {
			t.Errorf("places %v, want eighths", places)
			break
		}
	}
}

func TestPlaceWithoutAnIndexIsAnywhere(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{nil, {"JOB_COMPLETION_INDEX="}, {"JOB_COMPLETION_INDEX=-1"}, {"JOB_COMPLETION_INDEX=x"}} {
		a := app{env: config.LookupIn(environ)}
		first := a.startingPlace()
		if first < 0 || first >= 1 || first == a.startingPlace() {
			t.Errorf("%v: the place %v is not at random in [0, 1)", environ, first)
		}
	}
}

package main

import (
	"runtime/debug"
	"testing"
)

func TestBuildOf(t *testing.T) {
	t.Parallel()
	recorded := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef"}
	date := debug.BuildSetting{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}
	for name, c := range map[string]struct {
		stamp string
		info  *debug.BuildInfo
		want  build
	}{
		"the linker's word comes first": {
			"v1.2.3 fedcba 2026-02-03T04:05:06Z", recorded("v9", revision, date), build{"v1.2.3", "fedcba", "2026-02-03T04:05:06Z"},
		},
		"what Go recorded":     {"", recorded("v1.2.3", revision, date), build{"v1.2.3", "0123456789abcdef", "2026-01-02T03:04:05Z"}},
		"a commit, no version": {"", recorded("(devel)", revision, date), build{"0123456789ab", "0123456789abcdef", "2026-01-02T03:04:05Z"}},
		"nothing is known":     {"", recorded("(devel)"), build{"devel", "", ""}},
		"half a stamp":         {"v1.2.3", recorded("(devel)"), build{"devel", "", ""}},
	} {
		if got := buildOf(c.stamp, c.info); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

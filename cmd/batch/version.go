package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// linked is "version commit date". Images and releases are built where Go finds
// no repository to read them from.
var linked string //nolint:gochecknoglobals // the linker can set nothing else

// build is what a binary was built from.
type build struct{ version, commit, date string }

// thisBuild is what the linker was told, else what Go recorded.
func thisBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return buildOf(linked, info)
}

func buildOf(stamp string, info *debug.BuildInfo) build {
	if words := strings.Fields(stamp); len(words) == 3 {
		return build{words[0], words[1], words[2]}
	}
	var b build
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value
		case "vcs.time":
			b.date = s.Value
		}
	}
	if v := info.Main.Version; v != "(devel)" {
		b.version = v
	}
	b.version = cmp.Or(b.version, b.commit[:min(12, len(b.commit))], "devel")
	return b
}

// version is the short form: for the ledger, the User-Agent and --version.
func version() string { return thisBuild().version }

// String is the long form: what --version prints.
func (b build) String() string {
	return fmt.Sprintf("%s (commit %s, %s, %s %s/%s)", b.version,
		cmp.Or(b.commit, "unknown"), cmp.Or(b.date, "undated"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

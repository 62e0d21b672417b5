package pgtemp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server runs as: PostgreSQL refuses to run as root
// (manual, 19.1), which containers and CI often are.
type account struct {
	credential *syscall.Credential // nil: ourselves
}

func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("read the id of user %s: %w", name, err)
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return account{}, fmt.Errorf("read the group of user %s: %w", name, err)
		}
		return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return account{}, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody: make one, or run as another user")
}

// own gives a path to the account.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	return os.Chown(path, int(a.credential.Uid), int(a.credential.Gid))
}

// process puts a command under the account, in a process group of its own: ^C
// on a terminal must not take the database away before its user has ended.
func (a account) process(c *exec.Cmd) *exec.Cmd {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
	c.Dir = "/"
	return c
}

// reaches says whether the account can enter a folder.
func (a account) reaches(ctx context.Context, dir string) bool {
	if a.credential == nil {
		return true
	}
	return a.process(exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$1"`, "sh", dir)).Run() == nil
}

// place returns a folder for dir's server that the account can enter: dir, or
// where a parent of it is closed to others (as root's home is), one in a
// temporary folder that belongs to dir alone.
func (a account) place(ctx context.Context, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if a.reaches(ctx, dir) {
		return dir, nil
	}
	sum := sha256.Sum256([]byte(dir))
	// The environment's temporary folder may lie behind the same closed door.
	for _, tmp := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if !a.reaches(ctx, tmp) {
			continue
		}
		other := filepath.Join(tmp, "billonce-"+hex.EncodeToString(sum[:8]))
		return other, makeOwn(other)
	}
	return "", fmt.Errorf("PostgreSQL can't run as root, and its user can enter neither %s nor a temporary folder: "+
		"work in a folder that others may enter (chmod a+x)", dir)
}

// makeOwn makes a folder, or accepts it if it is ours: whoever else had made it
// could read and change what we put there.
func makeOwn(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of ours: remove it", dir)
	}
	return nil
}

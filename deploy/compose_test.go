package deploy_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/billonce/billonce/internal/billing"
)

type composeService struct {
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	DependsOn   map[string]any    `json:"depends_on"`
}

// What compose.yaml starts, the program takes: each runs as far as it can without the
// database, and warns of nothing.
func TestComposeFileIsAccepted(t *testing.T) {
	t.Parallel()
	var file struct {
		Services map[string]composeService `json:"services"`
		Configs  map[string]struct {
			Content string `json:"content"`
		} `json:"configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	batch := buildBatch(t)
	users := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(users, []byte(strings.ReplaceAll(file.Configs["users"].Content, "$$", "$")), 0o600); err != nil {
		t.Fatal(err)
	}
	here := map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/none", "SERVE_USERS_FILE": users, "SERVE_ADDR": "127.0.0.1:0"}
	secret, commands := known(t), map[string]int{}
	for name, service := range file.Services {
		for other := range service.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s waits for %s, which is no service", name, other)
			}
		}
		if name == "db" {
			continue
		}
		commands[service.Command[0]]++
		cmd := exec.CommandContext(t.Context(), batch, service.Command...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		if name == "api" {
			cmd.Args[3] = "127.0.0.1:0"
			cmd.Args = append(cmd.Args, "--", "true")
		}
		for variable, value := range service.Environment {
			if _, ok := secret[variable]; !ok {
				t.Errorf("%s: %s is no variable", name, variable)
			}
			if mine, ok := here[variable]; ok {
				value = mine
			}
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
		if name == "page" {
			page, err := cmd.StdoutPipe()
			if err = errors.Join(err, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(page).ReadString('\n'); !strings.HasPrefix(line, "The page is at http") {
				t.Errorf("%s: %q, %v", name, line, err)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			continue
		}
		want := billing.ExitError // there is no database
		if name == "api" {
			want = billing.ExitDone
		}
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != want || strings.Contains(string(out), `"warn"`) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for _, command := range []string{"seed", "migrate", "fake-api", "run", "serve"} {
		if commands[command] != 1 {
			t.Errorf("%s is started %d times", command, commands[command])
		}
	}
}

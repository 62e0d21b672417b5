package billinghttp

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/billonce/billonce/internal/billing"
)

// P10: keys are tried where that is asked for: an API that ignores them is told from one
// that honours them.
func TestP10ProveKeysTellsHonestKeysFromIgnoredOnes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply func(nth int, first bool, sameBody bool) (status int, id int)
		want  string
	}{
		"honoured": {func(_ int, _, same bool) (int, int) {
			if !same {
				return 422, 0
			}
			return 200, 1
		}, "the API honours its keys"},
		"ignored":           {func(n int, _, _ bool) (int, int) { return 200, n }, "leave BILLING_IDEMPOTENT=false"},
		"ignored with body": {func(_ int, _, same bool) (int, int) { return 200, map[bool]int{true: 1, false: 2}[same] }, "leave BILLING_IDEMPOTENT=false"},
		"refuses repeats": {func(_ int, first, _ bool) (int, int) {
			if first {
				return 200, 1
			}
			return 409, 0
		}, "refuses repeats"},
		"accepts nothing": {func(int, bool, bool) (int, int) { return 400, 0 }, "proves nothing"},
		"gives no id":     {func(int, bool, bool) (int, int) { return 200, 0 }, "look into the API's books"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			keys, body, n := map[string]int{}, "", 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				n++
				keys[r.Header.Get("Idempotency-Key")]++
				if body == "" {
					body = string(text)
				}
				status, id := c.reply(n, n == 1, string(text) == body)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				if id > 0 {
					fmt.Fprintf(w, `{"id":"ch_%d"}`, id)
				} else {
					_, _ = io.WriteString(w, "{}")
				}
			}))
			defer server.Close()
			client, err := New(Config{URL: server.URL, Idempotent: true, Body: "row", ReplyID: "id", Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			var out strings.Builder
			if err := client.ProveKeys(t.Context(), &out, billing.Invoice{ID: "7", Row: []byte(`{"id":7}`)}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), c.want) || len(keys) != 1 || n != 4 {
				t.Errorf("%d requests under %d keys, want 4 under one, and %q:\n%s", n, len(keys), c.want, out.String())
			}
		})
	}
}

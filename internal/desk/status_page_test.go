package desk

import (
	"strings"
	"testing"

	"github.com/billonce/billonce/internal/billing"
)

func TestP11StatusHidesNothingUnmarked(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	st := Status{Deliveries: map[billing.State]int64{billing.Sent: 9, billing.Unmarked: 2}}
	if err := st.Print(&out); err != nil || !strings.Contains(out.String(), "unmarked  ") {
		t.Errorf("%v; it shows:\n%s", err, &out)
	}
}

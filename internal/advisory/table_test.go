package advisory

import "testing"

func TestReadTable(t *testing.T) {
	t.Parallel()
	conn := connect(t, newDB(t))
	want := query[int](t, conn, "select current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int")
	before, err := ReadTable(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if before.Slots != want {
		t.Errorf("%d slots, want %d", before.Slots, want)
	}
	begin(t, conn)
	keys := make([]Key, 1000)
	for i := range keys {
		keys[i] = Key(i)
	}
	if _, err := TryLockAll(t.Context(), conn, keys); err != nil {
		t.Fatal(err)
	}
	after, err := ReadTable(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if after.Held < 1000 {
		t.Errorf("%d held after 1000 were taken", after.Held)
	}
	exec(t, conn, "commit")
}

// Programs that start one after the other never fill the table between them.
func TestSharesNeverFillTheTable(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{200, 6400, 100_000} {
		table := Table{Slots: slots}
		for range 100 {
			if share := table.Share(); share > 1 {
				table.Held += share
			}
		}
		if table.Held >= table.Slots {
			t.Errorf("%d slots: %d are held", slots, table.Held)
		}
	}
	if share := (Table{Slots: 10, Held: 12}).Share(); share != 1 {
		t.Errorf("a full table leaves %d, want 1: no run could go on without any", share)
	}
}

package billing

import "slices"

// ChangedSettings names the variables whose fingerprints differ from those before; none
// where none were kept.
func ChangedSettings(before, now map[string]string) (all []string) {
	if before == nil {
		return nil
	}
	for name, hash := range now {
		if before[name] != hash {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

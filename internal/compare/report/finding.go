package report

func (r Report) find() []string { return []string{} }

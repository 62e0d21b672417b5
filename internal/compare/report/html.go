package report

import "io"

func (r Report) WriteHTML(out io.Writer) error { return nil }

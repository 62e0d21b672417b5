package report

import "io"

func (r Report) WriteText(out io.Writer) error { return r.WriteCSV(out) }

package main

import "context"

func (s *stage) recoveries(ctx context.Context, times int, out *printer) error { return nil }

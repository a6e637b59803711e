package api

import (
	"context"
)

const factoryMark = "adf "

func (s *Server) callbacks(ctx context.Context) { <-ctx.Done() }

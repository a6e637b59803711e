package api

import "elt/internal/project"

// pipelineNames are the names under which the runs of a pipeline are recorded.
func pipelineNames(p *project.Project, name string) []string { return []string{name} }

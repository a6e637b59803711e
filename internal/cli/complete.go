package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"elt/internal/project"
)

// Completion of one kind of word.
type Completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// CompletePlugins completes names of plugins of the given kinds, all when none is given.
func (a *App) CompletePlugins(kinds ...project.Kind) Completion {
	return func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		p, err := a.Project(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var words []string
		for _, plugin := range p.Plugins("") {
			if len(kinds) == 0 || slices.Contains(kinds, plugin.Kind) {
				words = append(words, plugin.Name+"\t"+plugin.Kind.Singular())
			}
		}
		return startingWith(typed, words), cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteBlocks completes what `run` takes: jobs and plugins.
func (a *App) CompleteBlocks() Completion {
	plugins := a.CompletePlugins()
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		words, how := plugins(cmd, args, typed)
		if p, err := a.Project(cmd.Context()); err == nil {
			for _, job := range p.Jobs() {
				words = append(words, startingWith(typed, []string{job.Name + "\tjob"})...)
			}
		}
		return words, how
	}
}

func startingWith(typed string, words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !strings.HasPrefix(w, typed) })
}

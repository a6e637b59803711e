package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/project"
	"elt/internal/singer"
	"elt/state"
)

// Completion of one kind of word. A project with mistakes, or a source that
// is away, completes nothing: the shell is no place for errors.
type Completion = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// completeWords completes what words lists of the project.
func (a *App) completeWords(words func(context.Context, *project.Project, []string) []string) Completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		p, err := a.ProjectExplicit(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all := slices.DeleteFunc(words(cmd.Context(), p, args), func(w string) bool { return !strings.HasPrefix(w, typed) })
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

// once completes the first argument only.
func once(c Completion) Completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c(cmd, args, typed)
	}
}

// CompletePlugins completes names of plugins of the given kinds, all when none is given.
func (a *App) CompletePlugins(kinds ...project.Kind) Completion {
	return a.completeWords(func(_ context.Context, p *project.Project, _ []string) []string {
		return pluginWords(p, kinds...)
	})
}

func pluginWords(p *project.Project, kinds ...project.Kind) (words []string) {
	for _, plugin := range p.Plugins("") {
		if len(kinds) == 0 || slices.Contains(kinds, plugin.Kind) {
			words = append(words, plugin.Name+"\t"+plugin.Kind.Singular())
		}
	}
	return words
}

// CompleteBlocks completes what `run` takes: jobs and plugins.
func (a *App) CompleteBlocks() Completion {
	return a.completeWords(func(_ context.Context, p *project.Project, _ []string) []string {
		return append(pluginWords(p), jobWords(p)...)
	})
}

// CompleteJobs completes one name of a job.
func (a *App) CompleteJobs() Completion {
	return once(a.completeWords(func(_ context.Context, p *project.Project, _ []string) []string { return jobWords(p) }))
}

func jobWords(p *project.Project) (words []string) {
	for _, job := range p.Jobs() {
		words = append(words, job.Name+"\tjob")
	}
	return words
}

// CompleteSchedules completes one name of a schedule.
func (a *App) CompleteSchedules() Completion {
	return once(a.completeWords(func(_ context.Context, p *project.Project, _ []string) (words []string) {
		for _, s := range p.Schedules() {
			words = append(words, s.Name+"\t"+s.Interval)
		}
		return words
	}))
}

// CompleteEnvironments completes one name of an environment.
func (a *App) CompleteEnvironments() Completion {
	return once(a.completeWords(func(_ context.Context, p *project.Project, _ []string) []string { return p.Environments() }))
}

// CompleteStreams completes streams of the first extractor among the
// arguments, if that tells them within a few seconds.
func (a *App) CompleteStreams() Completion {
	return a.completeWords(func(ctx context.Context, p *project.Project, args []string) (words []string) {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		for _, name := range args {
			tap, err := p.Plugin(project.Extractors, name)
			if err != nil {
				continue
			}
			catalog, err := a.Catalog(ctx, p, tap, false)
			if err != nil {
				return nil
			}
			for _, c := range singer.Selection(catalog) {
				if !slices.Contains(words, c.Stream) {
					words = append(words, c.Stream)
				}
			}
			return words
		}
		return nil
	})
}

// CompleteStates completes the first n arguments by state ids.
func (a *App) CompleteStates(n int) Completion {
	return a.completeStored(n, func(ctx context.Context, store state.Store, typed string) []string {
		ids, _ := store.BookmarkIDs(ctx, typed+"*") // what is wrong says the command itself
		return slices.DeleteFunc(ids, state.IsChunk)
	})
}

// CompleteRuns completes one run id.
func (a *App) CompleteRuns() Completion {
	return a.completeStored(1, func(ctx context.Context, store state.Store, typed string) (words []string) {
		runs, _ := store.Runs(ctx, "", 50) // what is wrong says the command itself
		for _, r := range runs {
			if strings.HasPrefix(r.ID, typed) {
				words = append(words, r.ID+"\t"+r.Name+", "+r.Status)
			}
		}
		return words
	})
}

// CompleteBackfills completes one id of a backfill.
func (a *App) CompleteBackfills() Completion {
	return a.completeStored(1, func(ctx context.Context, store state.Store, typed string) (words []string) {
		list, _ := store.Backfills(ctx, 50) // what is wrong says the command itself
		for _, b := range list {
			if strings.HasPrefix(b.ID, typed) {
				words = append(words, b.ID+"\t"+b.Name+", "+NewBackfillReport(b).Status)
			}
		}
		return words
	})
}

// CompleteExecutions completes one id of a run of the queue.
func (a *App) CompleteExecutions() Completion {
	return a.completeStored(1, func(ctx context.Context, store state.Store, typed string) (words []string) {
		list, _ := store.Executions(ctx, state.Which{Limit: 50}) // what is wrong says the command itself
		for _, e := range list {
			if strings.HasPrefix(e.ID, typed) {
				words = append(words, e.ID+"\t"+e.Name+", "+e.Status)
			}
		}
		return words
	})
}

// CompleteTokens completes one name of a token of the API.
func (a *App) CompleteTokens() Completion {
	return a.completeStored(1, func(ctx context.Context, store state.Store, typed string) (words []string) {
		list, _ := store.Tokens(ctx, false) // what is wrong says the command itself
		for _, t := range list {
			if !t.Over && strings.HasPrefix(t.Name, typed) {
				words = append(words, t.Name+"\t"+t.Scope)
			}
		}
		return words
	})
}

// completeStored completes the first n arguments by what is in the store,
// where there is one: to press a key must not make it.
func (a *App) completeStored(n int, words func(ctx context.Context, store state.Store, typed string) []string) Completion {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		store, err := a.StoreIfAny(cmd.Context())
		if store == nil || err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(cmd.Context(), store, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

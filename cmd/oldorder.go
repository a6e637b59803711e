package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// today turns the orders of older Meltanos into today's: "config PLUGIN set …"
// and "config PLUGIN" name their verb after config, "schedule NAME …" adds.
func today(root *cobra.Command, args []string) []string {
	words := positions(root, args)
	if len(words) < 2 {
		return args
	}
	noun, _, err := root.Find([]string{args[words[0]]})
	if err != nil || verb(noun, args[words[1]]) {
		return args
	}
	after := words[0] + 1
	switch noun.Name() {
	case "config":
		if len(words) > 2 && verb(noun, args[words[2]]) {
			moved := slices.Delete(slices.Clone(args), words[2], words[2]+1)
			return slices.Insert(moved, after, args[words[2]])
		}
		return slices.Insert(slices.Clone(args), after, "print")
	case "schedule":
		if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "--interval") }) {
			return slices.Insert(slices.Clone(args), after, "add")
		}
	}
	return args
}

func verb(noun *cobra.Command, word string) bool {
	return slices.ContainsFunc(noun.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
}

// positions are the places of arguments that are neither flags nor values of
// flags.
func positions(root *cobra.Command, args []string) []int {
	takesValue := map[string]bool{}
	note := func(f *pflag.Flag) { takesValue["--"+f.Name] = f.NoOptDefVal == "" }
	root.PersistentFlags().VisitAll(note)
	var out []int
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			return out
		case !strings.HasPrefix(a, "-"):
			out = append(out, i)
			if noun, _, err := root.Find([]string{a}); err == nil && len(out) == 1 {
				eachCommand(noun, func(c *cobra.Command) { c.Flags().VisitAll(note); c.PersistentFlags().VisitAll(note) })
			}
		case takesValue[strings.ReplaceAll(a, "_", "-")]:
			i++
		}
	}
	return out
}

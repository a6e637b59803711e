// Package project reads a project file (elt.yml, else meltano.yml) into a
// validated Project with positions, and resolves everything that depends on
// it: environments, inheritance, settings and their layers, process
// environments, selection rules, plans. It starts nothing (but the commands
// of ${exec:…}) and stores nothing (but edits of the project's own files).
package project

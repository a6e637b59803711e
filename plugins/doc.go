// Package plugins turns a plugin of a project into a command that can be
// started: a built-in connector, an executable, or a program in a venv that
// Meltano made. Which of them runs is decided here, with the reason in words.
// It starts nothing and stores nothing; what a first run decided is kept by
// the caller and handed back as a Pin.
package plugins

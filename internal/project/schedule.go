package project

import "elt/internal/fault"

// Job is a named list of tasks; each task is a list of blocks.
type Job struct {
	Name  string
	Tasks []Task
	At    fault.Position
}

// Task is one entry of a job: blocks as written in one string, or a list of them.
type Task struct {
	Items []string
	List  bool // written as a list
}

// Blocks are the task's blocks, split at blanks.
func (t Task) Blocks() []string { return nil }

// Schedule runs a job or a pair at an interval.
type Schedule struct {
	Name      string
	Interval  string // as written
	Cron      string // five fields; "" for manual schedules and bad intervals
	Job       string
	Extractor string
	Loader    string
	Transform string
	Env       map[string]string
	At        fault.Position
}

// StateID is the state id of a pair's schedule: its name.
func (s Schedule) StateID() string { return s.Name }

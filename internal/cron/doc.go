// Package cron says when a schedule's interval fires next: five cron fields,
// as the tools know them whose project files we read (croniter's reading,
// which Airflow and so Meltano's schedules go by), in any IANA time zone.
//
// # Daylight saving
//
// An expression of every hour ("*/15 * * * *") follows real time: in the hour
// that the clock shows twice it fires in both, in the hour that is left out
// it does not fire, because that hour did not happen.
//
// Any other expression ("30 2 * * *", "0 */6 * * *") means times of day, and
// each time of day is met exactly once: at its first showing where the clock
// shows it twice, and at the moment the clock jumps where it is left out.
// Several left-out times make one fire. This is cronie's rule; robfig/cron
// leaves out the day.
package cron

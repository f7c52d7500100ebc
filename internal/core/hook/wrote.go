package hook

import "fmt"

// LogLine is the message of the lines of the manager's log that have what commands wrote.
const LogLine = "hook ran"

// Wrote says where what a command wrote is to be found: the log of the manager, in the lines of this run, such as backup=shop-monday.
// It may hold secrets, so that no status has it; and who may read the log is who runs Kahu.
func (r *Result) Wrote(kind, name string) string {
	switch {
	case r.Output != "":
		return fmt.Sprintf("; what it wrote is in the log of the manager, in the line %q with %s=%s and this hook", LogLine, kind, name)
	case r.Outcome == CommandFailed || r.Outcome == TimedOut:
		return "; it wrote nothing"
	}
	return ""
}

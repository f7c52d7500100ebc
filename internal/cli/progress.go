package cli

import (
	"fmt"
	"strings"
)

// progress shows how far a run is: on a terminal a line that changes, with a bar where the total is known, elsewhere a line for each change.
type progress struct {
	session *session
	shown   string
}

// barWidth is the number of characters of a whole bar.
const barWidth = 30

// show shows a line and, of a run whose total is known, how much of it is done.
func (p *progress) show(line string, done, total int64) {
	if line == p.shown {
		return
	}
	p.shown = line
	if !p.session.Terminal {
		p.session.say(line)
		return
	}
	p.session.onBar = true
	if total > 0 {
		filled := int(min(done, total) * barWidth / total)
		line = fmt.Sprintf("[%s%s] %s", strings.Repeat("=", filled), strings.Repeat(" ", barWidth-filled), line)
	}
	_, _ = fmt.Fprint(p.session.Err, "\r\x1b[K"+line)
}

// end leaves the bar where it is and goes to the next line.
func (p *progress) end() {
	p.session.leaveBar()
}

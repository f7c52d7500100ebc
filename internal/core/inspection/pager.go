package inspection

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The limits of a page. The API's schema has them too.
const (
	// MaxPageSize bounds the lines of a page together, in bytes.
	MaxPageSize = 256 << 10
	// MaxLines bounds the number of lines of a page.
	MaxLines = 4096
	// MaxLineSize bounds one line, in bytes. In the place of a longer one stands Omitted.
	MaxLineSize = 128 << 10
)

// ErrToken says that a token is not one of the question.
var ErrToken = errors.New("not a page of this answer")

// Page is a part of an answer.
type Page struct {
	// Lines are JSON objects.
	Lines []string
	// Next is the token of the next page; empty on the last one.
	Next string
}

// Omitted stands in the place of a line that is too long for a page.
type Omitted struct {
	// Bytes is the length of the line.
	Bytes int `json:"omittedBytes"`
}

// Pager keeps those lines of an answer that are on one page.
type Pager struct {
	question string
	first    int64 // the line with which the page begins, counted from 0
	offered  int64 // how many lines were offered
	end      int64 // the first line after the page; 0 while it has room
	size     int
	lines    []string
}

// NewPager returns the pager of the page that the token names, the first one where it is empty. The question is
// everything on which the answer depends. A token of another question is ErrToken.
func NewPager(question []string, token string) (*Pager, error) {
	pager := &Pager{question: digest(question)}
	if token == "" {
		return pager, nil
	}
	first, err := pager.position(token)
	if err != nil {
		return nil, err
	}
	pager.first = first
	return pager, nil
}

// Offer offers the next line of the answer, any value that JSON can hold.
func (p *Pager) Offer(line any) error {
	at := p.offered
	p.offered++
	if at < p.first || p.end > 0 {
		return nil
	}
	encoded, err := encode(line)
	if err != nil {
		return fmt.Errorf("encoding line %d: %w", at+1, err)
	}
	if len(p.lines) > 0 && (len(p.lines) == MaxLines || p.size+len(encoded) > MaxPageSize) {
		p.end = at
		return nil
	}
	p.lines, p.size = append(p.lines, encoded), p.size+len(encoded)
	return nil
}

// Page returns the page, after all lines of the answer were offered. A page that begins after the last line is ErrToken.
func (p *Pager) Page() (Page, error) {
	if p.first > 0 && p.first >= p.offered {
		return Page{}, fmt.Errorf("line %d of %d: %w", p.first+1, p.offered, ErrToken)
	}
	page := Page{Lines: p.lines}
	if p.end > 0 {
		page.Next = p.token(p.end)
	}
	return page, nil
}

// encode returns the line as JSON, or what stands in its place.
func encode(line any) (string, error) {
	encoded, err := json.Marshal(line)
	if err == nil && len(encoded) > MaxLineSize {
		encoded, err = json.Marshal(Omitted{Bytes: len(encoded)})
	}
	return string(encoded), err
}

// version is the first part of every token.
const version = "1"

// token names the page that begins with that line.
func (p *Pager) token(first int64) string {
	return strings.Join([]string{version, strconv.FormatInt(first, 10), p.question}, ".")
}

// position is the inverse of token. Only what token returns is accepted.
func (p *Pager) position(token string) (int64, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[0] != version {
		return 0, fmt.Errorf("it does not look like one: %w", ErrToken)
	}
	first, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || first < 1 {
		return 0, fmt.Errorf("it does not look like one: %w", ErrToken)
	}
	if p.token(first) != token {
		return 0, fmt.Errorf("it is that of another question, or the answer has changed since: %w", ErrToken)
	}
	return first, nil
}

// digest returns what stands for a question in its tokens.
func digest(question []string) string {
	sum := sha256.New()
	for _, part := range question {
		// The length before each part keeps what is in one part apart from what is in two.
		_, _ = fmt.Fprintf(sum, "%d:%s", len(part), part) // A hash takes everything.
	}
	const half = sha256.Size / 2
	return hex.EncodeToString(sum.Sum(nil)[:half])
}

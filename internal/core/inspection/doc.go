// Package inspection cuts answers about what lies in a store into pages.
//
// An answer is a list of lines that is made anew for each page: whoever makes it offers every line from the first on,
// and a Pager keeps those of its page. What the next page begins with is in a token, which is bound to the question: a
// token of another question, or of an answer that has changed in the meantime, is refused and not taken for a position.
package inspection

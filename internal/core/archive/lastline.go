package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/soda-cdm/kahu/internal/core/seal"
)

// lastLineContent is the last line of a file that says itself whether it is whole: the digest of the lines before, and in
// encrypted backups who signed it.
type lastLineContent struct {
	Digest    Digest      `json:"digest"`
	Signer    seal.Signer `json:"signer,omitempty"`
	Signature string      `json:"signature,omitempty"`
}

// lastLine returns the line, signed where there is a key. There is one way to write it: no byte of it can change and leave
// the file whole.
func lastLine(digest Digest, purpose seal.Purpose, key *seal.SigningKey) []byte {
	content := lastLineContent{Digest: digest}
	if key != nil {
		content.Signer, content.Signature = key.Signer(), key.Sign(purpose, string(digest))
	}
	return content.encode()
}

func (c lastLineContent) encode() []byte {
	if c.Signer == "" && c.Signature == "" {
		return fmt.Appendf(nil, "{\"digest\":%q}\n", c.Digest)
	}
	return fmt.Appendf(nil, "{\"digest\":%q,\"signer\":%q,\"signature\":%q}\n", c.Digest, c.Signer, c.Signature)
}

// checkLastLine compares the line with the digest of those before, and returns who signed it, if anybody did.
func checkLastLine(line []byte, digest Digest, purpose seal.Purpose) (seal.Signer, error) {
	var content lastLineContent
	if json.Unmarshal(line, &content) != nil || !bytes.Equal(content.encode(), line) || content.Digest != digest {
		return "", fmt.Errorf("the seal is %s, not that of %s", clip(string(line)), digest)
	}
	if content.Signer == "" {
		return "", nil
	}
	return content.Signer, content.Signer.Verify(purpose, string(digest), content.Signature)
}

// isLastLine tells whether the line has the length of one that this program writes, whatever became of its bytes.
func isLastLine(line []byte) bool {
	const signerSize, signatureSize = 52, 88
	digest := Digest(digestPrefix + string(bytes.Repeat([]byte("0"), 64)))
	signed := lastLineContent{
		Digest: digest, Signer: seal.Signer(bytes.Repeat([]byte("0"), signerSize)),
		Signature: string(bytes.Repeat([]byte("0"), signatureSize)),
	}
	return len(line) == len(lastLine(digest, "", nil)) || len(line) == len(signed.encode())
}

// ending reads the last line of a compressed file.
type ending struct {
	sum    hash.Hash
	signer seal.Signer // who must have signed it; empty for nobody
}

// check reads the line, and compares.
func (e *ending) check(lines *lineReader) error {
	digest := sumOf(e.sum)
	line, err := lines.next()
	if errors.Is(err, errEnd) {
		return lines.corrupt(io.ErrUnexpectedEOF)
	}
	if err != nil {
		return err
	}
	signer, err := checkLastLine(append(bytes.Clone(line), '\n'), digest, seal.PurposeCheckpoint)
	if err != nil {
		return lines.corrupt(err)
	}
	if signer != e.signer {
		return lines.corrupt(fmt.Errorf("it is signed by %q, not by %q", signer, e.signer))
	}
	return nil
}

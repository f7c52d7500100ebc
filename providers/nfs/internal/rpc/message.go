package rpc

import (
	"fmt"

	"github.com/soda-cdm/kahu/providers/nfs/internal/xdr"
)

// Procedure is what is called.
type Procedure struct {
	Program, Version, Number uint32
}

// Credential says who calls. A server believes it, or maps everybody to somebody of its own: it is no secret.
type Credential struct {
	// Machine is the name of who calls, at most 255 bytes.
	Machine string
	// UID and GID are the user and the group.
	UID, GID uint32
}

// The numbers of RFC 5531 and of its appendix A.
const (
	messageCall, messageReply = 0, 1
	rpcVersion                = 2
	authNone, authSys         = 0, 1
	maxAuthBytes              = 400

	replyAccepted, replyDenied = 0, 1
	acceptedSuccess            = 0
	deniedVersion, deniedAuth  = 0, 1
)

// RefusedError is the answer of a server that does not carry out a call at all.
type RefusedError struct {
	// Reason is in words.
	Reason string
	// Auth tells that the server does not accept who calls.
	Auth bool
}

// Error implements error.
func (e *RefusedError) Error() string { return "the server refuses the call: " + e.Reason }

// encodeCall returns a call, without its record mark.
func encodeCall(id uint32, procedure Procedure, credential Credential, arguments func(*xdr.Encoder)) []byte {
	var message xdr.Encoder
	message.Uint32(id)
	message.Uint32(messageCall)
	message.Uint32(rpcVersion)
	message.Uint32(procedure.Program)
	message.Uint32(procedure.Version)
	message.Uint32(procedure.Number)

	var body xdr.Encoder
	body.Uint32(0) // A stamp, which nobody looks at.
	body.String(credential.Machine)
	body.Uint32(credential.UID)
	body.Uint32(credential.GID)
	body.Uint32(0) // No further groups.
	message.Uint32(authSys)
	message.Opaque(body.Bytes())
	message.Uint32(authNone)
	message.Opaque(nil)

	if arguments != nil {
		arguments(&message)
	}
	return message.Bytes()
}

// ReadReply takes the head off a reply and returns its id. What the procedure returns is left in the decoder. The error
// is a RefusedError where the server has not carried out the call, and wraps xdr.ErrMalformed where it makes no sense.
func ReadReply(reply *xdr.Decoder) (uint32, error) {
	id := reply.Uint32()
	if reply.Uint32() != messageReply {
		reply.Refuse("it is no reply")
	}
	switch reply.Uint32() {
	case replyAccepted:
		reply.Uint32() // The verifier of the server has nothing to say without security.
		reply.Opaque(maxAuthBytes)
		return id, readAccepted(reply)
	case replyDenied:
		return id, readDenied(reply)
	default:
		reply.Refuse("the reply is neither accepted nor denied")
		return id, reply.Err()
	}
}

func readAccepted(reply *xdr.Decoder) error {
	state := reply.Uint32()
	if err := reply.Err(); err != nil || state == acceptedSuccess {
		return err
	}
	reasons := []string{
		"", "it does not have this program", "it does not have this version of the program",
		"it does not have this procedure", "it cannot read the arguments", "it has a fault of its own",
	}
	reason := fmt.Sprintf("for a reason with the number %d", state)
	if int64(state) < int64(len(reasons)) {
		reason = reasons[state]
	}
	return &RefusedError{Reason: reason}
}

func readDenied(reply *xdr.Decoder) error {
	why := reply.Uint32()
	number := reply.Uint32()
	if err := reply.Err(); err != nil {
		return err
	}
	switch why {
	case deniedVersion:
		return &RefusedError{Reason: "it speaks another version of remote procedure calls"}
	case deniedAuth:
		return &RefusedError{Reason: fmt.Sprintf("it does not accept who calls (authentication state %d)", number), Auth: true}
	default:
		return &RefusedError{Reason: fmt.Sprintf("for a reason with the number %d", why)}
	}
}

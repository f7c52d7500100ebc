package provider

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxNameBytes is the length limit of the name of an object.
	MaxNameBytes = 768
	// MaxElementBytes is the length limit of one element of a name, between slashes.
	MaxElementBytes = 255
)

// ValidateName returns an error that wraps ErrInvalidArgument and says what is wrong if name cannot be the name of an
// object: a name is of 1 to 768 bytes of UTF-8 without control characters; it consists of elements of 1 to
// 255 bytes, separated by slashes, none of which is "." or "..".
//
// Server and client check every name; a driver checks once more, as it can be called directly.
func ValidateName(name string) error {
	if name == "" {
		return fmt.Errorf("the name of the object is empty: %w", ErrInvalidArgument)
	}
	if err := validateText(name); err != nil {
		return err
	}
	for element := range strings.SplitSeq(name, "/") {
		if err := validateElement(element); err != nil {
			return fmt.Errorf("name %q: %w", name, err)
		}
	}
	return nil
}

// ValidatePrefix returns an error that wraps ErrInvalidArgument if no name can begin with prefix. The empty prefix is
// valid.
func ValidatePrefix(prefix string) error {
	if err := validateText(prefix); err != nil {
		return err
	}
	last := max(strings.LastIndexByte(prefix, '/'), 0)
	folder, rest := prefix[:last], strings.TrimPrefix(prefix[last:], "/")
	if len(rest) > MaxElementBytes {
		return fmt.Errorf("prefix has an element of %d bytes, the limit is %d: %w",
			len(rest), MaxElementBytes, ErrInvalidArgument)
	}
	if folder == "" && !strings.HasPrefix(prefix, "/") {
		return nil
	}
	return ValidateName(folder)
}

// validateText checks what names and prefixes have in common.
func validateText(text string) error {
	if len(text) > MaxNameBytes {
		return fmt.Errorf("the name has %d bytes, the limit is %d: %w", len(text), MaxNameBytes, ErrInvalidArgument)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("name %q is not UTF-8: %w", text, ErrInvalidArgument)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("name %q has a control character: %w", text, ErrInvalidArgument)
	}
	return nil
}

// validateElement checks one element of a name.
func validateElement(element string) error {
	switch {
	case element == "":
		return fmt.Errorf("an element is empty (slashes stand only between elements): %w", ErrInvalidArgument)
	case element == "." || element == "..":
		return fmt.Errorf("an element is %q: %w", element, ErrInvalidArgument)
	case len(element) > MaxElementBytes:
		return fmt.Errorf("an element has %d bytes, the limit is %d: %w",
			len(element), MaxElementBytes, ErrInvalidArgument)
	}
	return nil
}

// EncodePageToken returns a page token for a driver whose listing goes on after the given name. It is opaque to
// others, and safe to print.
func EncodePageToken(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(after))
}

// DecodePageToken returns the name after which a listing goes on, empty for an empty token. A token that
// EncodePageToken cannot have made is ErrInvalidArgument.
func DecodePageToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || ValidateName(string(after)) != nil {
		return "", fmt.Errorf("page token is not one of this driver: %w", ErrInvalidArgument)
	}
	return string(after), nil
}

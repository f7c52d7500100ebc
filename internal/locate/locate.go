// Package locate says how a call that goes to a meta-service names the backup location that it is about.
//
// A client knows a location by its name alone. It names it in one attribute of the call; the meta-service replaces all
// attributes by the configuration and the credentials of that location, which therefore never leave its side.
package locate

import (
	"fmt"

	"github.com/soda-cdm/kahu/provider"
)

// attribute is the key of the attribute that carries the name.
const attribute = "kahu.io/backup-location"

// Attributes returns the attributes of a call that is about the location.
func Attributes(location string) provider.Attributes {
	return provider.Attributes{attribute: location}
}

// Name returns the name of the location that a call is about. A call without one is provider.ErrInvalidArgument.
func Name(attributes provider.Attributes) (string, error) {
	name := attributes[attribute]
	if name == "" {
		return "", fmt.Errorf("the call names no backup location in its attribute %s: %w", attribute, provider.ErrInvalidArgument)
	}
	return name, nil
}

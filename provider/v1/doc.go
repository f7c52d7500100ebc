// Package providerv1 is the generated Go of the provider contract, the protocol buffer package kahu.providerservice.
//
// The authors of drivers in Go rather use package provider, which speaks it for them.
package providerv1

// Package cluster is the adapter to an API server. It satisfies the ports through which package engine reads and
// creates objects, in the words of package core.
//
// A Client speaks HTTP itself, on the transport that client-go builds from a rest.Config (credentials, TLS, HTTP/2).
// The reason is the objects: their stored form is made from the bytes that the server sends, which a typed or
// dynamic client has already decoded. It holds nothing of a cluster's content: no cache, no watch that outlives a
// call, and of a list at most two chunks of a few MiB, whatever the size of the cluster, a page or an object.
//
// There is no limit of its own on the rate of requests. The server's priority and fairness decides, and its
// Retry-After is honoured. What can be repeated without harm is repeated when the server or the way to it fails, a
// bounded number of times; how often, and what can be repeated, request.go says. Errors carry the classes of package
// core and the server's words, but for Secrets, whose content a server's words can quote.
package cluster

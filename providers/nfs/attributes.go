package nfs

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/soda-cdm/kahu/provider"
	"github.com/soda-cdm/kahu/providers/nfs/internal/nfs3"
)

// The attributes of a backup location.
const (
	// AttributeServer is the host name or the address of the server. Required.
	AttributeServer = "server"
	// AttributeExport is the path that the server exports, such as /srv/backups. Required; it is never made.
	AttributeExport = "export"
	// AttributePath is the folder of the location below the export, with slashes, not led by one. Absent means the
	// export itself. The folder is made when the first object is stored.
	AttributePath = "path"
	// AttributePort is the port of NFS. Absent means 2049.
	AttributePort = "port"
	// AttributeMountPort is the port of the mount protocol. Absent means: ask the port mapper of the server.
	AttributeMountPort = "mountPort"
	// AttributeUID and AttributeGID are the numbers of the user and the group that the driver tells the server that it
	// is. Absent means 65534, which is nobody.
	AttributeUID = "uid"
	AttributeGID = "gid"
)

const (
	nobody = 65534
	// maxExportBytes is the limit of the mount protocol, and maxServerBytes that of host names.
	maxExportBytes = 1024
	maxServerBytes = 253
)

// export is what is asked of which server by whom.
type export struct {
	server, path    string
	port, mountPort uint16
	uid, gid        uint32
}

// location is a folder of an export.
type location struct {
	export

	folder string // Empty for the export itself.
}

// problem says what is wrong with an attribute.
func problem(attribute, what string) error {
	return fmt.Errorf("the attribute %s %s: %w", attribute, what, provider.ErrInvalidArgument)
}

// parse reads the attributes of a call.
func parse(attributes provider.Attributes) (location, error) {
	if err := attributes.Check(AttributeServer, AttributeExport, AttributePath, AttributePort, AttributeMountPort, AttributeUID,
		AttributeGID); err != nil {
		return location{}, err
	}
	l := location{
		export: export{path: attributes[AttributeExport], port: nfs3.DefaultPort, uid: nobody, gid: nobody},
		folder: attributes[AttributePath],
	}
	for _, read := range []func(provider.Attributes) error{l.readServer, l.readPlace, l.readPorts, l.readUser} {
		if err := read(attributes); err != nil {
			return location{}, err
		}
	}
	return l, nil
}

func (l *location) readServer(attributes provider.Attributes) error {
	server := attributes[AttributeServer]
	if bare, isBracketed := strings.CutPrefix(server, "["); isBracketed {
		server = strings.TrimSuffix(bare, "]")
	}
	_, err := netip.ParseAddr(server)
	isName := server != "" && len(server) <= maxServerBytes && !strings.ContainsFunc(server, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
	})
	if err != nil && !isName {
		return problem(AttributeServer, "is not a host name or an address; a port goes into "+AttributePort)
	}
	l.server = server
	return nil
}

func (l *location) readPlace(provider.Attributes) error {
	if !strings.HasPrefix(l.path, "/") || len(l.path) > maxExportBytes || strings.ContainsFunc(l.path, unicode.IsControl) {
		return problem(AttributeExport, "is not a path led by a slash, such as /srv/backups")
	}
	if l.folder == "" {
		return nil
	}
	if err := validateName(l.folder); err != nil {
		return fmt.Errorf("the attribute %s is a folder below the export, such as team/backups: %w", AttributePath, err)
	}
	return nil
}

func (l *location) readPorts(attributes provider.Attributes) error {
	for attribute, port := range map[string]*uint16{AttributePort: &l.port, AttributeMountPort: &l.mountPort} {
		given := attributes[attribute]
		if given == "" {
			continue
		}
		number, err := strconv.ParseUint(given, 10, 16)
		if err != nil || number == 0 {
			return problem(attribute, "is not a port from 1 to 65535")
		}
		*port = uint16(number)
	}
	return nil
}

func (l *location) readUser(attributes provider.Attributes) error {
	for attribute, id := range map[string]*uint32{AttributeUID: &l.uid, AttributeGID: &l.gid} {
		given := attributes[attribute]
		if given == "" {
			continue
		}
		number, err := strconv.ParseUint(given, 10, 32)
		if err != nil {
			return problem(attribute, "is not a number from 0 to 4294967295")
		}
		*id = uint32(number)
	}
	return nil
}

// validateName checks a name by the rules of the contract, and refuses the hidden folder.
func validateName(name string) error {
	if err := provider.ValidateName(name); err != nil {
		return err
	}
	if slices.Contains(strings.Split(name, "/"), PartialFolder) {
		return fmt.Errorf("name %q: an element is %q, which the store keeps to itself: %w",
			name, PartialFolder, provider.ErrInvalidArgument)
	}
	return nil
}

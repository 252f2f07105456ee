package samegate

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Image names an image: [Bytes], [File], [URL] or [Sign].
type Image interface {
	// field returns the field of a request that has the image, and its value.
	field() (protoreflect.Name, protoreflect.Value, error)
}

// NewImage names an image that can be added: [Bytes], [File] or [URL].
type NewImage interface {
	Image
	isNew()
}

// Bytes are the content of an image file. They must not be changed before the call, or the outcome
// of the item, is there.
type Bytes []byte

// File is the path of an image file. It is read for the call.
type File string

// URL is the address of an image that the gateway fetches: http or https, up to 1024 bytes.
type URL string

// Sign is the sign of a stored image.
type Sign string

func (Bytes) isNew() {}
func (File) isNew()  {}
func (URL) isNew()   {}

func (b Bytes) field() (protoreflect.Name, protoreflect.Value, error) {
	return "content", protoreflect.ValueOfBytes(b), nil
}

func (f File) field() (protoreflect.Name, protoreflect.Value, error) {
	content, err := os.ReadFile(string(f))
	if err == nil {
		return Bytes(content).field()
	}
	cause := err
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		cause = path.Err
	}
	return "", protoreflect.Value{}, &Error{
		Code:    codes.Unknown,
		Reason:  fileUnreadable,
		Message: fmt.Sprintf("cannot read `%s`: %v", string(f), cause),
		cause:   err,
	}
}

func (u URL) field() (protoreflect.Name, protoreflect.Value, error) {
	return "url", protoreflect.ValueOfString(string(u)), nil
}

func (s Sign) field() (protoreflect.Name, protoreflect.Value, error) {
	return "cont_sign", protoreflect.ValueOfString(string(s)), nil
}

// setImage sets the field of a request that has the image.
func setImage(request proto.Message, image Image) error {
	if image == nil {
		return &Error{Code: codes.InvalidArgument, Reason: invalidItem, Message: "the image is nil"}
	}
	name, value, err := image.field()
	if err != nil {
		return err
	}
	message := request.ProtoReflect()
	message.Set(message.Descriptor().Fields().ByName(name), value)
	return nil
}

// checkMessage fails for what gRPC cannot send: a text that is not UTF-8, such as a file's name in
// another encoding, and 2 GiB. gRPC would end a stream with a code for which a retry helps.
func checkMessage(request proto.Message) error {
	if proto.Size(request) > math.MaxInt32 {
		message := "the request is 2 GiB or larger"
		return &Error{Code: codes.InvalidArgument, Reason: invalidItem, Message: message}
	}
	return protorange.Range(request.ProtoReflect(), func(values protopath.Values) error {
		text, isText := values.Index(-1).Value.Interface().(string)
		if !isText || utf8.ValidString(text) {
			return nil
		}
		field := strings.TrimPrefix(values.Path[1:].String(), ".")
		message := fmt.Sprintf("`%s` is not UTF-8: %q", field, text)
		return &Error{Code: codes.InvalidArgument, Reason: invalidItem, Message: message}
	})
}

package hindcastv1

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// The generated code is that of envelope.proto: what protoc reads in the file
// is what the code describes.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	protoc, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("protoc is not installed")
	}
	out := filepath.Join(t.TempDir(), "descriptors")
	command := exec.Command(protoc, "-I", "../..", "--descriptor_set_out="+out, "hindcast/v1/envelope.proto")
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("protoc: %v\n%s", err, text)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(content, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.GetFile()) != 1 {
		t.Fatalf("protoc describes %d files, want 1", len(set.GetFile()))
	}
	if got := protodesc.ToFileDescriptorProto(File_hindcast_v1_envelope_proto); !proto.Equal(got, set.GetFile()[0]) {
		t.Error("envelope.pb.go is not that of envelope.proto: run go generate ./proto/...")
	}
}

package main

import (
	"context"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const header = `syntax = "proto3"; package c1.connector.v2;`

func differences(t *testing.T, source string, undeclared, beyond map[string]string) []string {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"t.proto": header + source}),
	}}
	files, err := compiler.Compile(context.Background(), "t.proto")
	if err != nil {
		t.Fatal(err)
	}
	return compare(files, protoregistry.GlobalFiles, undeclared, beyond).differences
}

func TestEachKindOfDifferenceIsFound(t *testing.T) {
	for name, test := range map[string]struct{ source, want string }{
		"message": {
			`message Nonsense {}`,
			`c1.connector.v2.Nonsense: not in the SDK`,
		},
		"number": {
			`message AssetRef { string id = 1; string url = 2; }`,
			`c1.connector.v2.AssetRef.url: number 2 is not in the SDK`,
		},
		"name": {
			`message AssetRef { string key = 1; }`,
			`c1.connector.v2.AssetRef.key: declared as "optional string key = 1 as key", in the SDK "optional string id = 1 as id"`,
		},
		"type": {
			`message AssetRef { bytes id = 1; }`,
			`c1.connector.v2.AssetRef.id: declared as "optional bytes id = 1 as id", in the SDK "optional string id = 1 as id"`,
		},
		"label": {
			`message AssetRef { repeated string id = 1; }`,
			`c1.connector.v2.AssetRef.id: declared as "repeated string id = 1 as id", in the SDK "optional string id = 1 as id"`,
		},
		"presence": {
			`message AssetRef { optional string id = 1; }`,
			`c1.connector.v2.AssetRef.id: declared as "optional string id = 1 optional as id", in the SDK "optional string id = 1 as id"`,
		},
		"missing field": {
			`message AssetRef {}`,
			`c1.connector.v2.AssetRef.id: not declared: optional string id = 1 as id`,
		},
		"order": {
			`message ResourceId { string resource = 2; string resource_type = 1; bool baton_resource = 3; }`,
			`c1.connector.v2.ResourceId.resource_type: declared in a different order`,
		},
		"enum value": {
			`message Status { enum ResourceStatus { RESOURCE_STATUS_UNSPECIFIED = 0; RESOURCE_STATUS_ENABLED = 9; } }`,
			`c1.connector.v2.Status.RESOURCE_STATUS_ENABLED: 9 is not in the SDK under this name`,
		},
		"missing enum value": {
			`message Status { enum ResourceStatus { RESOURCE_STATUS_UNSPECIFIED = 0; } }`,
			`c1.connector.v2.Status.RESOURCE_STATUS_DELETED: not declared: 3`,
		},
		"method": {
			`message AssetRef { string id = 1; } service GrantsService { rpc Nonsense(AssetRef) returns (AssetRef); }`,
			`c1.connector.v2.GrantsService.Nonsense: not in the SDK`,
		},
		"missing method": {
			`service GrantsService {}`,
			`c1.connector.v2.GrantsService.ListGrants: not declared`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := differences(t, test.source, nil, nil); !slices.Contains(got, test.want) {
				t.Errorf("want %q among %q", test.want, got)
			}
		})
	}
}

func TestAnEqualMessageHasNoDifference(t *testing.T) {
	if got := differences(t, `message AssetRef { string id = 1; }`, nil, nil); len(got) != 0 {
		t.Errorf("unexpected %q", got)
	}
}

func TestAFieldMayBeLeftOutOnlyWhileItIsAbsent(t *testing.T) {
	left := map[string]string{"c1.connector.v2.AssetRef.id": "a reason"}
	if got := differences(t, `message AssetRef {}`, left, nil); len(got) != 0 {
		t.Errorf("unexpected %q", got)
	}
	want := `c1.connector.v2.AssetRef.id: declared, although listed as left out`
	if got := differences(t, `message AssetRef { string id = 1; }`, left, nil); !slices.Contains(got, want) {
		t.Errorf("want %q among %q", want, got)
	}
}

func TestADeclarationBeyondTheSDKIsNoDifferenceUnlessTheSDKHasIt(t *testing.T) {
	beyond := map[string]string{
		"c1.connector.v2.AssetRef.url": "why",
		"c1.connector.v2.AssetRef.id":  "why",
		"c1.connector.v2.Nonsense":     "why",
		// A value of an enumeration stands beside it.
		"c1.connector.v2.CREDENTIAL_RESOURCE_MODE_NONSENSE": "why",
		"c1.connector.v2.CREDENTIAL_RESOURCE_MODE_VIRTUAL":  "why",
	}
	got := differences(t, `
		message AssetRef { string id = 1; string url = 2; }
		message Nonsense {}
		enum CredentialResourceMode {
			CREDENTIAL_RESOURCE_MODE_UNSPECIFIED = 0;
			CREDENTIAL_RESOURCE_MODE_DISCOVERABLE = 1;
			CREDENTIAL_RESOURCE_MODE_VIRTUAL = 2;
			CREDENTIAL_RESOURCE_MODE_NONSENSE = 9;
		}`, nil, beyond)
	slices.Sort(got)
	want := []string{
		`c1.connector.v2.AssetRef.id: in the SDK, although listed as beyond it`,
		`c1.connector.v2.CREDENTIAL_RESOURCE_MODE_VIRTUAL: in the SDK, although listed as beyond it`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
